// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "execution/executor.hpp"
#include "execution/staged_transport.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace tessera::train {

/// The executor of a rank, and its transport to the other ranks. An engine calls end() before its memory goes.
template <execution::Space kSpace>
class RankExecution {
 public:
  using Executor = execution::Executor<kSpace>;
  using Transport = comm::RankTransport<kSpace>;
  /// `transport` is null with one rank.
  RankExecution(std::unique_ptr<Executor> executor, std::unique_ptr<Transport> transport)
      : executor_(std::move(executor)), transport_(std::move(transport)) {}

  [[nodiscard]] Executor& executor() const { return *executor_; }
  [[nodiscard]] Transport* transport() const { return transport_.get(); }
  /// After an exception of this rank alone, the other side of a transfer never comes: whoever waits for the device
  /// would wait for ever.
  void end() const noexcept {
    if (transport_ != nullptr && std::uncaught_exceptions() > 0) transport_->give_up();
  }

 private:
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Transport> transport_;
};

}  // namespace tessera::train
