{ mkPackage, fetchText, libcore }:
let
  version = "1.4.0";
in
mkPackage {
  pname = "ripple";
  inherit version;
  description = "Searches text, with sources from a fixed-output derivation";
  inputs = [
    libcore
    (fetchText {
      name = "ripple-${version}.txt";
      text = "the sources of ripple ${version}";
      sha256 = "b838fd3a4d603a6541fa440f02b02be53515761318214743a41b51574cd7f513";
    })
  ];
}
