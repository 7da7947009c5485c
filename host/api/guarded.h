// SPDX-License-Identifier: Apache-2.0
//
// guarded(): a public call whose exceptions, which are the standard library's, end as a Diagnostic.
#pragma once

#include <cerrno>
#include <exception>
#include <new>
#include <string>

#include "forager/result.h"

namespace forager::api {

template <class Call>
auto guarded(Call call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::system, ENOMEM, "out of memory");
  } catch (const std::exception& error) {
    return fail(ErrorKind::bug, 0, std::string("unexpected: ") + error.what());
  }
}

}  // namespace forager::api
