#!/bin/sh
# What the build needs beside Rust and a C linker: libpcap and its headers. Installs them through the system's package
# manager where they are missing, and says so.
set -eu

command -v cargo >/dev/null 2>&1 || { echo "gapwatch needs Rust 1.88 or later: https://rustup.rs" >&2; exit 1; }

have_pcap() {
  for folder in /usr/include /usr/local/include /opt/homebrew/include "$(xcrun --show-sdk-path 2>/dev/null || true)/usr/include"; do
    [ -f "$folder/pcap/pcap.h" ] && return 0
  done
  return 1
}
have_pcap && exit 0

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if command -v apt-get >/dev/null 2>&1; then
  echo "installing libpcap-dev with apt-get"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libpcap-dev >/dev/null
elif command -v dnf >/dev/null 2>&1; then
  echo "installing libpcap-devel with dnf"
  as_root dnf install -y -q libpcap-devel
elif command -v pacman >/dev/null 2>&1; then
  echo "installing libpcap with pacman"
  as_root pacman -Sy --noconfirm libpcap
elif command -v apk >/dev/null 2>&1; then
  echo "installing libpcap-dev with apk"
  as_root apk add -q libpcap-dev
elif command -v brew >/dev/null 2>&1; then
  echo "installing libpcap with brew"
  brew install -q libpcap
else
  echo "gapwatch needs libpcap's headers (pcap/pcap.h); no package manager that this script knows is here. Install them, or" >&2
  echo "build without live capture: cargo build --release --no-default-features --features cli" >&2
  exit 1
fi
