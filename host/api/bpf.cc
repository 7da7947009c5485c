// SPDX-License-Identifier: Apache-2.0
#include "forager/bpf.h"

#include "syscall/bpf.h"

extern "C" long forager_bpf(int cmd, union bpf_attr* attr, unsigned size) {
  return forager::syscall::bpf(cmd, attr, size);
}
