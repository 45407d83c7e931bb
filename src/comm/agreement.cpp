// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/agreement.hpp"

#include <exception>
#include <new>

namespace tessera::comm {

void agree(Communicator& comm, const std::optional<Error>& error) {
  const std::int64_t mine = error ? comm.rank().value() : comm.size();
  const std::int64_t first = comm.reduce(mine, Reduction::kMin);
  if (first == comm.size()) return;
  const Rank speaker(static_cast<std::int32_t>(first));
  auto status = static_cast<int>(error ? error->status() : ExitStatus::kInternal);
  comm.broadcast_values(std::span(&status, 1), speaker);
  std::string message = comm.broadcast_string(error ? error->what() : "", speaker);
  if (comm.size() > 1 && first != 0) message = fmt::format("rank {}: {}", first, message);
  throw AgreedError(static_cast<ExitStatus>(status), message);
}

Error current_error() {
  try {
    throw;
  } catch (const Error& caught) {
    return caught;
  } catch (const std::bad_alloc&) {
    return {ExitStatus::kOverBudget, "the system is out of memory"};
  } catch (const std::exception& caught) {
    return {ExitStatus::kInternal, caught.what()};
  } catch (...) {
    return {ExitStatus::kInternal, "unknown exception"};
  }
}

}  // namespace tessera::comm
