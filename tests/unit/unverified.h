// SPDX-License-Identifier: Apache-2.0
//
// A VerifiedProgram that nobody verified, with no facts or those that a test puts there: engines have checks of their
// own, which a verified program never meets. Only tests can make one; nothing that is installed knows this class.
#pragma once

#include <memory>

#include "verifier/verify.h"

namespace forager::verifier {

class UnverifiedForTests {
 public:
  struct Claims {
    std::vector<Facts>& facts;
    std::vector<MapUse>& uses;
    std::vector<ArgumentFacts>& arguments;
  };

  [[nodiscard]] static std::shared_ptr<const VerifiedProgram> make(program::Program program) {
    return make(std::move(program), [](const Claims&) {});
  }

  // `claim` changes the facts as it likes.
  template <class Claim>
  [[nodiscard]] static std::shared_ptr<const VerifiedProgram> make(program::Program program, Claim claim) {
    std::shared_ptr<VerifiedProgram> made(new VerifiedProgram(std::move(program)));
    made->facts_.resize(made->program_.instructions().size());
    for (std::size_t i = 0; i < made->facts_.size(); ++i)
      name_helper(made->program_.instructions()[i], made->facts_[i]);
    made->uses_.assign(made->program_.maps().size(), MapUse::read_write);
    claim(Claims{made->facts_, made->uses_, made->arguments_});
    return made;
  }

 private:
  static void name_helper(const program::Instruction& insn, Facts& facts) {
    if (insn.op == isa::Op::call_helper) facts.call.helper = static_cast<std::uint32_t>(insn.imm);
  }
};

}  // namespace forager::verifier
