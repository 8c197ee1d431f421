#!/bin/sh
# Makes a base image of Debian with Python, where no registry can be reached, or none is wanted.
#
#   deploy/container/base.sh [--suite trixie] [--tag awb-base] [--ca company-ca.pem]…
#
# Needs root, debootstrap, and podman or docker (ENGINE=docker). MIRROR names a mirror other than debootstrap's own.
# Certificates given by --ca are trusted by everything in the image, the meter's outgoing requests among it.
set -eu

suite=trixie tag=awb-base authorities=
while [ $# -gt 0 ]; do
  case $1 in
    --suite) suite=$2 ;;
    --tag) tag=$2 ;;
    --ca) authorities="$authorities $2" ;;
    *) echo "usage: $0 [--suite SUITE] [--tag TAG] [--ca FILE]…" >&2; exit 2 ;;
  esac
  shift 2
done

root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
# shellcheck disable=SC2086 - without a mirror it must be no word at all
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,tzdata "$suite" "$root" ${MIRROR:-}
for file in $authorities; do
  cp "$file" "$root/usr/local/share/ca-certificates/$(basename "$file" .pem).crt"
done
chroot "$root" update-ca-certificates
# What the package manager left behind, and what differs from build to build.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/*.log \
  "$root"/var/log/apt "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*
tar --create --numeric-owner --sort=name --directory "$root" . | "${ENGINE:-podman}" import - "$tag"
