{ mkPackage, libcore }:
mkPackage {
  pname = "rusty";
  version = "0.9";
  description = "Has failed to build for a while";
  inputs = [ libcore ];
  build = ''
    echo "rusty: error: the hinge does not move" >&2
    exit 1
  '';
}
