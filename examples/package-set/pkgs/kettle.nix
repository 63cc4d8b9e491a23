{ mkPackage, libcore }:
mkPackage {
  pname = "kettle";
  version = "3.1";
  description = "Boils water";
  inputs = [ libcore ];
  build = ''
    echo "checking the temperature"
  '';
}
