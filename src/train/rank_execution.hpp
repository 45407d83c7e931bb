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

/// The executor of a rank, and its transport to the other ranks.
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

 private:
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Transport> transport_;
};

}  // namespace tessera::train
