# A package set that needs nothing but Nix and /bin/sh: no network, no other packages.
{ system ? builtins.currentSystem }:

let
  inherit (import ./lib.nix { inherit system; }) mkPackage fetchText licenses maintainers;

  call = file: import file (builtins.intersectAttrs (builtins.functionArgs (import file)) scope);

  # Every file in pkgs/ is a package and may ask for any other by name.
  files = builtins.attrNames (builtins.readDir ./pkgs);
  packages = builtins.listToAttrs (
    map (file: {
      name = builtins.substring 0 (builtins.stringLength file - 4) file;
      value = call (./pkgs + "/${file}");
    }) files
  );

  # Twenty small tools that are all alike, so that a change of libcore is a mass rebuild.
  tools = builtins.listToAttrs (
    builtins.genList (number: {
      name = "tool${toString number}";
      value = mkPackage {
        pname = "tool${toString number}";
        version = "1.0";
        inputs = [ packages.libcore ];
        description = "Small tool number ${toString number}";
      };
    }) 20
  );

  scope = packages // { inherit mkPackage fetchText licenses maintainers; };
in
packages
// {
  tools = tools // { recurseForDerivations = true; };

  # Broken for a long time, and nobody's fault today.
  abandoned = throw "abandoned has had no maintainer since 2019";
}
