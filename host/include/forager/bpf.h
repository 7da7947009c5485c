/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf(2) in user space, for C and C++.
 *
 * forager_bpf() takes what syscall(SYS_bpf, ...) takes and answers as the kernel does, but on the runtime of this
 * process: a descriptor or 0, or a negative errno; errno itself is left alone. Commands, attributes and their meaning
 * stand in <linux/bpf.h>, which a caller includes. Descriptors are real ones: close(2) them. An application that is
 * linked for forager needs none of this: its syscall(SYS_bpf, ...), and so libbpf's, come here by themselves.
 *
 * Tested by: tests/e2e/install/bpf_in_c.c.
 */
#ifndef FORAGER_BPF_H
#define FORAGER_BPF_H

#ifdef __cplusplus
extern "C" {
#endif

union bpf_attr; /* NOLINT(readability-identifier-naming): the kernel's */

/* Safe from any thread. `attr` may be any address at all: a bad one gives -EFAULT. */
long forager_bpf(int cmd, union bpf_attr* attr, unsigned size);

/* Pins that outlive the process: forager::keep_pins() and forager::save_pins() of forager/forager.h. Both return 0 or a
 * negative errno. `left_out` may be null; it is called with one line for each file that could not be used. */
long forager_keep_pins(const char* directory, void (*left_out)(const char* line, void* context), void* context);
long forager_save_pins(void);

#ifdef __cplusplus
}
#endif

#endif
