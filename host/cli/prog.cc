// SPDX-License-Identifier: Apache-2.0
//
// forager prog: the table of its verbs.
#include "cli/prog_verbs.h"
#include "cli/unload.h"
#include "cli/verbs.h"

namespace forager::cli {
namespace {

// `verify` has options of its own, and main() sees it first; its row is there for help.
Result<> verify_needs_options(const Cli& /*cli*/, Words /*words*/) {
  return usage_error("'prog verify' is spelled out, and stands in no batch file; see forager prog verify --help");
}

constexpr Verb kVerbs[] = {
    {"show", "[PROG]", prog_show},
    {"list", nullptr, prog_show},
    {"dump", "{ xlated | jited | opencl | rtl } PROG [file FILE|opcodes|linum|run FILE]", prog_dump},
    {"pin", "PROG PATH", prog_pin},
    {"unpin", "PATH", unpin},
    {"load",
     "OBJ PATH [type TYPE]\n"
     "[map { idx IDX | name NAME } MAP] [pinmaps DIR]",
     prog_load},
    {"loadall", "OBJ PATH [as load]", prog_loadall},
    {"unload", "NAME", unload},
    {"attach", "PROG ATTACH_TYPE [MAP]", prog_attach},
    {"detach", "PROG ATTACH_TYPE [MAP]", prog_detach},
    {"run",
     "PROG data_in FILE [data_out FILE [data_size_out L]]\n"
     "[ctx_in FILE [ctx_out FILE [ctx_size_out M]]]\n"
     "[repeat N] [backend NAME]",
     prog_run},
    {"profile", "PROG [duration SECONDS] METRICs run FILE", prog_profile},
    {"tracelog", "run PROG FILE [repeat N]", prog_tracelog},
    {"verify", "OBJ [OPTIONS]: judge, keep nothing", verify_needs_options},
};

constexpr char kNotes[] =
    "PROG := { id N | name PROG | tag TAG | pinned PATH }; dump and run also take\n"
    "        { file OBJ [PROG] }, which keeps nothing\n"
    "MAP := { id N | name MAP | pinned PATH }\n"
    "ATTACH_TYPE := { sk_msg_verdict | sk_skb_verdict | sk_skb_stream_verdict |\n"
    "                 sk_skb_stream_parser | flow_dissector }\n"
    "METRIC := { instructions | duration }\n"
    "FILE of `run` := a capture (pcap, pcapng), or one packet's bytes\n";

}  // namespace

Object prog_object() { return {"prog", "load, show, disassemble, run and attach programs", kVerbs, kNotes}; }

}  // namespace forager::cli
