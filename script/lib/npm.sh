# shellcheck shell=bash
# GitHub's published OpenAPI description, which the stand-in GitHub of the tests checks requests with. Sourced, never
# run; needs say.sh. It is fetched once into the user's cache and is no part of this repository.

EKACI_OPENAPI_VERSION=23.0.2
EKACI_OPENAPI_SHA256=71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c

# ekaci_github_description: make sure of it and name it in EKACI_GITHUB_DESCRIPTION. Without it the tests that need it
# are skipped, or fail in continuous integration.
ekaci_github_description() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/ekaci/octokit-openapi-$EKACI_OPENAPI_VERSION
  local file=$folder/api.github.com.json
  if [ -f "$file" ] || _fetch_description "$folder"; then
    export EKACI_GITHUB_DESCRIPTION=$file
    return 0
  fi
  if [ -n "${CI:-}" ]; then
    export EKACI_REQUIRE_GITHUB_DESCRIPTION=1
  fi
  say "no description of GitHub's API: npm could not fetch @octokit/openapi $EKACI_OPENAPI_VERSION"
}

_fetch_description() {
  if ! command -v npm >/dev/null && may_install; then
    install_packages npm
  fi
  command -v npm >/dev/null || return 1
  say "fetching @octokit/openapi $EKACI_OPENAPI_VERSION with npm"
  local scratch packed status=1
  mkdir -p "$1"
  scratch=$(mktemp -d "$1/.fetch-XXXXXX")
  packed=$scratch/octokit-openapi-$EKACI_OPENAPI_VERSION.tgz
  if (cd "$scratch" && npm pack --silent --fetch-retries=1 "@octokit/openapi@$EKACI_OPENAPI_VERSION") >/dev/null &&
    printf '%s  %s\n' "$EKACI_OPENAPI_SHA256" "$packed" | sha256sum --check --quiet &&
    tar -xzf "$packed" -C "$scratch" package/LICENSE package/generated/api.github.com.json; then
    mv "$scratch/package/LICENSE" "$1/LICENSE"
    mv "$scratch/package/generated/api.github.com.json" "$1/api.github.com.json"
    status=0
  fi
  rm -rf "$scratch"
  return "$status"
}
