{ system }:

rec {
  licenses = {
    mit = { spdxId = "MIT"; fullName = "MIT License"; free = true; };
    asl20 = { spdxId = "Apache-2.0"; fullName = "Apache License 2.0"; free = true; };
    gpl3Only = { spdxId = "GPL-3.0-only"; fullName = "GNU General Public License v3.0 only"; free = true; };
  };

  maintainers = {
    ada = { name = "Ada"; github = "ada"; };
    grace = { name = "Grace"; github = "grace"; };
  };

  # A package whose build is a few lines of shell without any program.
  mkPackage =
    {
      pname,
      version,
      description ? pname,
      license ? licenses.mit,
      maintainers ? [ ],
      inputs ? [ ],
      build ? "",
    }:
    derivation {
      name = "${pname}-${version}";
      inherit pname version system;
      builder = "/bin/sh";
      args = [
        "-euc"
        ''
          echo "building $name"
          for input in $inputs; do
            echo "using $input"
          done
          ${build}
          echo "$name" > $out
        ''
      ];
      inherit inputs;
    }
    // {
      meta = { inherit description license maintainers; };
    };

  # A source with a known hash: a fixed-output derivation, as every fetcher makes.
  fetchText =
    { name, text, sha256 }:
    derivation {
      inherit name text system;
      builder = "/bin/sh";
      args = [ "-euc" ''echo "fetching $name"; echo "$text" > $out'' ];
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = sha256;
    };
}
