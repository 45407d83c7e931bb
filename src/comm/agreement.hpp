// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/error.hpp"

#include <optional>
#include <string>
#include <type_traits>

namespace tessera::comm {

/// An error that every rank throws together: the job can end in order, and one rank speaks for all.
class AgreedError : public Error {
 public:
  using Error::Error;
};

/// Collective. When any rank passes an error, all ranks throw AgreedError with the message and status of the lowest
/// such rank ("rank 2: ..." when there are several ranks); else returns.
void agree(Communicator& comm, const std::optional<Error>& error);

/// The exception that is being handled, whatever it is, as an Error.
Error current_error();

/// Collective. Runs `work` on every rank and agrees on the outcome: a rank that fails does not leave the others in a
/// collective that never completes. `work` itself must not communicate.
template <class Work>
auto together(Communicator& comm, const Work& work) {
  std::optional<Error> error;
  using Result = std::invoke_result_t<Work>;
  if constexpr (std::is_void_v<Result>) {
    try {
      work();
    } catch (...) {
      error = current_error();
    }
    agree(comm, error);
  } else {
    std::optional<Result> result;
    try {
      result.emplace(work());
    } catch (...) {
      error = current_error();
    }
    agree(comm, error);
    return std::move(*result);
  }
}

/// Collective. Runs `work` on rank 0 only; all ranks agree on the outcome.
template <class Work>
void on_root(Communicator& comm, const Work& work) {
  together(comm, [&] {
    if (comm.is_root()) work();
  });
}

}  // namespace tessera::comm
