{ mkPackage, kettle }:
mkPackage {
  pname = "teapot";
  version = "1.2";
  description = "Makes tea, and needs a kettle";
  inputs = [ kettle ];
}
