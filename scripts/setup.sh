#!/usr/bin/env bash
# Installs what is missing on this machine: Debian packages and npm packages, by name.
# Usage: setup.sh [build] [test] [kafka]. Without `kafka` everything else works, so it may fail, but not with CI=1.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(
  build-essential ca-certificates ccache cmake ninja-build pkg-config git
  libbrotli-dev libavcodec-dev libavfilter-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev
  libboost1.81-dev libcaf-dev libcli11-dev libcpp-httplib-dev libexpected-dev libfmt-dev librdkafka-dev libseccomp-dev
  libsodium-dev libspdlog-dev libsqlite3-dev libsqlitecpp-dev libssl-dev nlohmann-json3-dev prometheus-cpp-dev zlib1g-dev
)
test_packages=(
  catch2 chromium clang-16 clang-format-16 clang-tidy-16 curl ffmpeg fonts-dejavu-core forensics-samples-files
  iproute2 nftables nginx-light procps python3 strace time wrk
)

# Installs those of the packages that are missing.
debian_packages() {
  local package missing=() sudo=()
  for package in "$@"; do
    [[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" == ii* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || sudo=(sudo)
  echo "Installing Debian packages: ${missing[*]}"
  "${sudo[@]}" apt-get update -qq &&
    # Behind sudo, which keeps the environment from what it runs.
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Installs the npm packages of a folder when they are not those of its lock file.
npm_packages() {
  local stamp="$1/node_modules/.package-lock.json"
  [[ -f $stamp && ! $1/package-lock.json -nt $stamp ]] && return
  echo "Installing npm packages of $1/"
  npm ci --prefix "$1" --no-audit --no-fund --loglevel=error
}

wants() {
  [[ " $words " == *" $1 "* ]]
}
lacks() {
  ! command -v "$1" >/dev/null
}

words=$*
if wants build || wants test; then
  packages=("${build_packages[@]}")
  if wants test; then packages+=("${test_packages[@]}"); fi
  # What may be here without a package.
  if lacks node; then packages+=(nodejs); fi
  if lacks npm; then packages+=(npm); fi
  debian_packages "${packages[@]}"
  npm_packages client
  npm_packages tests
fi

if wants kafka; then
  packages=(kcat)
  if lacks java; then packages+=(default-jre-headless); fi
  if lacks mvn; then packages+=(maven); fi
  if ! debian_packages "${packages[@]}"; then
    echo "Without ${packages[*]} no Kafka broker can run here." >&2
    [[ ! ${CI:-} =~ ^(1|true)$ ]]
  fi
fi
