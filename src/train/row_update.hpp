// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "exchange/rows_exchange.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "train/optimiser.hpp"

#include <cstdint>

namespace tessera::train {

/// Adds up the gradients that arrived for one part, row by row in the order of arrival (requesting part, position), and
/// applies the optimiser.
class RowUpdate {
 public:
  RowUpdate(std::uint64_t arrival_capacity, std::size_t dim, memory::Pool& pool);
  void apply(const kernels::Backend& backend, const Optimiser& optimiser,
             const exchange::RowsExchange::Arrived& arrived, const model::PartTable& table);

 private:
  static constexpr std::size_t kBlockRows = 1024;
  std::size_t dim_;
  exchange::Groups groups_;
  memory::Buffer<float> sums_;
};

}  // namespace tessera::train
