# shellcheck shell=bash
# A memory control group for tests. Sourced, never run; needs say.sh.

# ekaci_memory_group: find a control group in which tests may make groups of their own, so that a build can run out of
# memory without anything else doing so. Sets TEST_MEMORY_GROUP; without such a group that test is skipped.
ekaci_memory_group() {
  local place
  [ -n "${TEST_MEMORY_GROUP:-}" ] && return 0
  while IFS= read -r place; do
    if _accounts_memory "$place"; then
      export TEST_MEMORY_GROUP=$place
      return 0
    fi
  done < <(_memory_mounts)
  say "no memory control group for tests: the one of a build that runs out of memory is skipped"
}

# Where control groups stand that account memory: version 1, and version 2.
_memory_mounts() {
  awk '($3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/) || $3 == "cgroup2" { print $2 }' /proc/mounts 2>/dev/null
}

# _accounts_memory GROUP: whether a group can be made below it whose memory can be limited, and which takes a process.
_accounts_memory() {
  local probe status=1
  probe=$1/ekaci-probe-$$
  mkdir "$probe" 2>/dev/null || return 1
  if [ -w "$probe/memory.max" ] || [ -w "$probe/memory.limit_in_bytes" ]; then
    # shellcheck disable=SC2016 # the inner shell moves itself, and is gone from the group when it ends
    sh -c 'echo $$ > "$1/cgroup.procs"' sh "$probe" 2>/dev/null && status=0
  fi
  rmdir "$probe"
  return "$status"
}
