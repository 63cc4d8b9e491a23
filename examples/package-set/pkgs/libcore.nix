{ mkPackage, maintainers }:
mkPackage {
  pname = "libcore";
  version = "2.4";
  description = "What everything else is linked with";
  maintainers = [ maintainers.ada ];
}
