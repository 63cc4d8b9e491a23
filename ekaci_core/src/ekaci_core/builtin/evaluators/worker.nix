# What a worker evaluates. `settings` is JSON:
#   mark       what reports begin with
#   file       the expression, absolute; null for a flake
#   flake      the reference of the flake; null for a file
#   attrPath   names of the way from the expression to the job
#   system     platform to evaluate for, or null
#   metaKeys   keys of meta that are reported
#   queries    what the files of queries begin with; number and ".json" follow
# A report is a trace of the mark and a JSON list: number of the command, then what `run` below says.
settings:
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatMap
    filter
    foldl'
    fromJSON
    functionArgs
    intersectAttrs
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isString
    listToAttrs
    seq
    toJSON
    trace
    typeOf
    ;
  config = fromJSON settings;
  read = number: fromJSON (builtins.readFile "${config.queries}${toString number}.json");
  report = content: trace (config.mark + toJSON content) null;

  # As `nix-build` does: functions with named arguments are called with what we have and their defaults.
  arguments = if config.system == null then { } else { inherit (config) system; };
  call =
    value:
    if isFunction value then
      if functionArgs value == { } then value else value (intersectAttrs (functionArgs value) arguments)
    else if isAttrs value && value ? __functor then
      call (value.__functor value)
    else
      value;
  step = value: name: call value.${name};

  flake = builtins.getFlake config.flake;
  system = if config.system == null then builtins.currentSystem else config.system;
  outputs = {
    checks = flake.checks.${system} or { };
    packages = flake.packages.${system} or { };
  };
  root = if config.flake == null then foldl' step (call (import config.file)) config.attrPath else outputs;
  at = foldl' step root;

  keys = listToAttrs (map (name: { inherit name; value = null; }) config.metaKeys);
  # All keys are forced, also those that are not reported: meta is sound or it is not.
  quickMeta = meta: seq (filter isFunction (attrValues meta)) (intersectAttrs keys meta);
  # The slow way leaves out what is no plain data, for which `toJSON` fails.
  plain =
    value:
    if isList value then
      all plain value
    else if isAttrs value then
      !(value ? outPath) && all plain (attrValues value)
    else
      isString value || isBool value || isInt value || isFloat value;
  carefulMeta =
    meta: builtins.removeAttrs (quickMeta meta) (filter (key: !(plain meta.${key})) (attrNames (intersectAttrs keys meta)));

  outputsOf =
    drv:
    if drv ? outputs then
      listToAttrs (
        concatMap (
          name: if drv ? ${name} && drv.${name} ? outPath then [ { inherit name; value = drv.${name}.outPath; } ] else [ ]
        ) drv.outputs
      )
    else
      { out = drv.outPath; };

  derivation = drv: [
    drv.drvPath
    drv.name
    (drv.system or (throw "derivation must have a 'system' attribute"))
    (outputsOf drv)
    (drv.pname or null)
    (drv.version or null)
  ];

  isDerivation = value: isAttrs value && value.type or null == "derivation";

  # mode "full": everything. "probe": only whether it is a set to look into. "meta": everything, meta the slow way.
  examine =
    query: index: value:
    let
      say = content: report ([ query.id index ] ++ content);
    in
    if isDerivation value then
      if query.mode == "probe" then
        say [ "skip" ]
      else
        seq (say ([ "drv" ] ++ derivation value)) (
          say [ "meta" ((if query.mode == "meta" then carefulMeta else quickMeta) (value.meta or { })) ]
        )
    else if isAttrs value then
      if query.recurse || (value.recurseForDerivations or false) then say [ "set" (attrNames value) ] else say [ "skip" ]
    else if value == null then
      say [ "null" ]
    else
      say [ "other" (typeOf value) ];
in
{
  inherit root;
  # The job itself, as item 0; of a flake first the copy of its source that is evaluated.
  top =
    number:
    let
      query = read number;
    in
    seq (if config.flake == null then null else report [ query.id 0 "source" flake.outPath ]) (examine query 0 root);
  # Attributes of one set, one after the other; what was reported is done even if a later one fails.
  run =
    number:
    let
      query = read number;
      set = at query.prefix;
    in
    foldl' (index: name: seq (examine query index (call set.${name})) (index + 1)) 0 query.names;
}
