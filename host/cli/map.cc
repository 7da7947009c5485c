// SPDX-License-Identifier: Apache-2.0
//
// forager map: the table of its verbs.
#include "cli/map_verbs.h"
#include "cli/unload.h"
#include "cli/verbs.h"

namespace forager::cli {
namespace {

constexpr Verb kVerbs[] = {
    {"show", "[MAP]", map_show},
    {"list", nullptr, map_show},
    {"create",
     "PATH type TYPE key KEY_SIZE value VALUE_SIZE\n"
     "entries MAX_ENTRIES name NAME [flags FLAGS]\n"
     "[inner_map MAP]",
     map_create},
    {"dump", "MAP", map_dump},
    {"update", "MAP [key DATA] [value VALUE] [any|exist|noexist]", map_update},
    {"lookup", "MAP [key DATA]", map_lookup},
    {"getnext", "MAP [key DATA]", map_getnext},
    {"delete", "MAP key DATA", map_delete},
    {"pin", "MAP PATH", map_pin},
    {"unpin", "PATH", unpin},
    {"event_pipe", "MAP [cpu N index M] [run PROG FILE [repeat N]]", map_event_pipe},
    {"peek", "MAP", map_peek},
    {"push", "MAP value VALUE", map_push},
    {"pop", "MAP", map_pop},
    {"enqueue", "MAP value VALUE", map_push},
    {"dequeue", "MAP", map_pop},
    {"freeze", "MAP", map_freeze},
    {"unload", "NAME", unload},
};

constexpr char kNotes[] =
    "MAP := { id N | name MAP | pinned PATH }\n"
    "DATA := { [hex] BYTES }: decimal, 0x.. or after `hex` plain hex\n"
    "PROG := { id N | name PROG | tag TAG | pinned PATH }\n"
    "VALUE := { DATA | MAP | PROG }\n";

}  // namespace

Object map_object() { return {"map", "maps of loaded objects, and maps by themselves", kVerbs, kNotes}; }

}  // namespace forager::cli
