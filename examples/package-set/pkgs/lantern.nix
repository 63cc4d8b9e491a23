{ mkPackage }:
mkPackage {
  pname = "lantern";
  version = "1.0";
  description = "Does not change";
}
