{ mkPackage, licenses, maintainers }:
mkPackage {
  pname = "atlas";
  version = "5.0";
  description = "Carries the sky";
  license = licenses.mit;
  maintainers = [ maintainers.ada ];
}
