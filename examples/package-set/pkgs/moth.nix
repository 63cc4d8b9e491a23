{ mkPackage }:
mkPackage {
  pname = "moth";
  version = "0.3";
  description = "Circles lamps";
}
