#!/usr/bin/env bash
# Checks that the machine has what a target of the Makefile needs, and names the cure for everything that is missing, at once.
#
#   check-tools.sh [build|demo|test]     build: compilers; demo: and what fetches the embedded ClickHouse; test: and Java for Kafka
#
# As root on Debian or Ubuntu it installs the missing packages by itself; anywhere else it only says what to do.
# The Rust compiler is never installed or changed here.
set -euo pipefail

level=${1:-build}
rust_min=1.89
java_min=17
node_min=20
packages=()
problems=()

have() { command -v "$1" >/dev/null 2>&1; }

# missing WHAT PACKAGE: a tool that a Debian package brings.
missing() {
  problems+=("$1: apt-get install -y $2")
  packages+=("$2")
}

# True when version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

java_major() {
  have java || return 0
  java -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1
}

look() {
  packages=()
  problems=()
  local version
  if ! have cargo; then
    problems+=("Rust is missing (needs cargo >= $rust_min): install it with rustup, or your system's package if it is new enough")
  else
    version=$(cargo --version | cut -d ' ' -f 2)
    at_least "$version" "$rust_min" || problems+=("cargo $version is too old (needs >= $rust_min): rustup update stable")
  fi
  have cc || missing "C compiler is missing (librdkafka, OpenSSL)" gcc
  have c++ || missing "C++ compiler is missing (librdkafka)" g++
  have make || missing "make is missing (librdkafka, OpenSSL)" make
  have perl || missing "perl is missing (the build of OpenSSL)" perl
  case $level in demo | test)
    have npm || missing "npm is missing (fetches the embedded ClickHouse)" npm
    ;;
  esac
  if [ "$level" = test ]; then
    have git || missing "git is missing (tests/tidy.rs lists the files)" git
    version=$(java_major)
    if [ -z "$version" ]; then
      missing "Java is missing (the tests run a real Kafka; needs >= $java_min)" default-jre-headless
    elif [ "$version" -lt "$java_min" ]; then
      missing "Java $version is too old (the tests run a real Kafka; needs >= $java_min)" default-jre-headless
    fi
    have openssl || missing "openssl is missing (the tests make keys for a secured Kafka)" openssl
    have mvn || missing "Maven is missing (fetches Kafka)" maven
    have prometheus-alertmanager || missing "Alertmanager is missing (the tests tell it of alerts)" prometheus-alertmanager
    have promtool || missing "promtool is missing (tests Prometheus' rules)" prometheus
    if ! have node; then
      missing "node is missing (shows the pages to a browser; needs >= $node_min)" nodejs
    elif ! at_least "$(node --version | tr -d v)" "$node_min"; then
      problems+=("node $(node --version) is too old (shows the pages to a browser; needs >= $node_min): install a newer Node.js")
    fi
    have "${RETAIN_CHROMIUM:-chromium}" ||
      missing "${RETAIN_CHROMIUM:-chromium} is missing (the pages are tried in it; RETAIN_CHROMIUM names another)" chromium
    python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
      missing "python3 with venv is missing (makes up requests for the API; needs >= 3.10)" "python3 python3-venv"
    have ps || missing "ps is missing (stops Kafka)" procps
  fi
}

case $level in
  build | demo | test) ;;
  *)
    echo "usage: $0 [build|demo|test]" >&2
    exit 2
    ;;
esac

look
if [ ${#packages[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && have apt-get; then
  echo "check-tools: installing ${packages[*]}" >&2
  # The tests need programs, not the services that come with them (prometheus): none is started.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
  fi
  # The log is shown only when it explains a failure.
  if log=$( (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}") 2>&1); then
    hash -r
    look
  else
    echo "$log" | tail -n 20 >&2
  fi
fi
if [ ${#problems[@]} -gt 0 ]; then
  echo "check-tools: ${#problems[@]} thing(s) missing for 'make $level':" >&2
  printf '  - %s\n' "${problems[@]}" >&2
  exit 1
fi
