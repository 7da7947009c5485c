/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin of qemu-user that counts the instructions which the guest executes (call.h says how it is asked). It adds up
 * whole translation blocks as they are entered, so the figure is exact where blocks end as they should: where a signal
 * breaks one off, the rest of it was counted too.
 *
 * Debian packages qemu without its header, so what is used of it is declared here: version 1 of the interface, which
 * qemu 5.1 to 8 take (docs/devel/tcg-plugins of qemu). One thread of the guest is thought to run at a time.
 *
 * Tested by: forager_retired counts a loop of known length before anything else.
 */
#include <stddef.h>
#include <stdint.h>

#include "bench/retired/call.h"

#define PUBLIC __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
typedef void translation_callback(plugin_id id, struct qemu_plugin_tb* block);
typedef void syscall_callback(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                              uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
enum { ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translation_callback* callback);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, syscall_callback* callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb* block, int operation, void* counter,
                                              uint64_t amount);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);

PUBLIC int qemu_plugin_version = 1;

static uint64_t retired;

static void on_translation(plugin_id id, struct qemu_plugin_tb* block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &retired, qemu_plugin_tb_n_insns(block));
}

/* The guest's addresses are the process's: qemu-user moves them only for 32-bit guests, or when it is told to. */
static void on_syscall(plugin_id id, unsigned cpu, int64_t number, uint64_t answer, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number == RETIRED_CALL) *(uint64_t*)(uintptr_t)answer = retired;
}

PUBLIC int qemu_plugin_install(plugin_id id, const void* machine, int argc, char** argv) {
  (void)machine, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  return 0;
}
