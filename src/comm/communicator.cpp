// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <exception>

namespace tessera::comm {

Request::~Request() {
  if (comm_ == nullptr) return;
  if (std::uncaught_exceptions() > 0) {  // the peer may be waiting for this rank
    std::exchange(comm_, nullptr)->abandon(slot_);
    return;
  }
  try {
    wait();
  } catch (...) {  // NOLINT(bugprone-empty-catch): the job is ending; the first error has been reported
  }
}

std::uint64_t Request::wait() { return std::exchange(comm_, nullptr)->wait(slot_); }

std::string Communicator::broadcast_string(std::string value, Rank root) {
  std::uint64_t size = value.size();
  broadcast_values(std::span(&size, 1), root);
  value.resize(size);
  if (size > 0) broadcast_values(std::span(value.data(), size), root);
  return value;
}

}  // namespace tessera::comm
