# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The arm64 sysroot: Debian's arm64 libraries unpacked under build/arm64-sysroot, by a private apt whose only
# architecture is arm64. The machine's own package database is neither asked nor changed, so no foreign architecture is
# added, nothing has to be co-installable, and it needs no root. cmake/toolchains/arm64.cmake finds it there.

sysroot=build/arm64-sysroot

sysroot_packages() { packages_of base test | grep -e '-dev$'; }

fill_sysroot() {
  local packages stamp
  mapfile -t packages < <(sysroot_packages)
  stamp="${packages[*]} $(cksum <tools/dev/cross.sh)"
  if [[ -e $sysroot/stamp && $(<"$sysroot/stamp") == "$stamp" ]]; then return 0; fi
  command -v apt-get >/dev/null ||
    die 1 "no apt-get here; with arm64 libraries of your own: cmake --preset arm64 -DFORAGER_ARM64_SYSROOT=DIR"
  rm -rf "$sysroot"
  mkdir -p "$sysroot"/apt/{lists,archives}/partial "$sysroot/root"
  : >"$sysroot/apt/status"
  step "arm64 package lists" build/dev-arm64-update.log private_apt update
  step "arm64 libraries" build/dev-arm64-install.log unpack_sysroot "${packages[@]}"
  printf '%s\n' "$stamp" >"$sysroot/stamp"
}

private_apt() {
  local state=$PWD/$sysroot/apt
  apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root \
    -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" -o Debug::NoLocking=1 "$@"
}

unpack_sysroot() {
  private_apt install -y --no-install-recommends --download-only "$@" || return
  local archive
  for archive in "$sysroot"/apt/archives/*.deb; do
    dpkg -x "$archive" "$sysroot/root" || return
  done
  relative_links
  kernel_headers
  rm -rf "$sysroot/apt/archives"
}

# Packages link to absolute paths (libm.so -> /lib/...), which would lead out of the sysroot.
relative_links() {
  local link
  find "$sysroot/root" -type l -lname '/*' -print0 | while read -r -d '' link; do
    ln -sfnr "$sysroot/root$(readlink "$link")" "$link"
  done
}

# The cross compiler looks at its own kernel headers, which are older, before the sysroot's. These links, which the
# toolchain file puts first, hold the sysroot's kernel headers and nothing else: libstdc++ minds the order of the rest.
kernel_headers() {
  local include=$sysroot/root/usr/include links=$sysroot/root/kernel-headers
  mkdir -p "$links"
  ln -sfnr "$include/linux" "$links/linux"
  ln -sfnr "$include/asm-generic" "$links/asm-generic"
  ln -sfnr "$include/aarch64-linux-gnu/asm" "$links/asm"
}
