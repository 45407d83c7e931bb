// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "exchange/rows/row_demand.hpp"
#include "execution/step_memory.hpp"

#include <cstdint>
#include <vector>

namespace tessera::exchange {

/// The way back: summed gradients of the rows that parts needed travel to the owners of the rows.
template <execution::Space kSpace>
class GradientReturn {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using Transport = comm::RankTransport<kSpace>;

  /// `transport` is null with one rank. The arguments outlive this object.
  GradientReturn(execution::StepMemory<kSpace>& memory, const RowDemand& demand, Transport* transport, std::size_t dim);

  /// Before the blocks of a step are asked for; the demand of the slot is finished.
  void start(std::size_t slot);
  /// Where owned part p puts the gradients of the rows that it needed of part q [RowRequests::count(q), dim].
  [[nodiscard]] Matrix block(std::size_t p, PartId q) const;
  /// Collective. Sends them.
  void exchange();
  /// The gradients that arrived for an owned part. Gradient i belongs to row RowDemand::asked(slot, own_part)[i].
  [[nodiscard]] Matrix arrived(std::size_t own_part) const;
  /// The most bytes that a rank sends and receives.
  static std::uint64_t largest_bytes(const RowTotals& totals, std::size_t dim) {
    return (totals.remote + totals.requested) * dim * sizeof(float);
  }

 private:
  const RowDemand& demand_;
  Transport* transport_;
  std::size_t slot_ = 0;
  Matrix out_;  // [rows of other ranks' parts, dim], by (owner, owned part): one message for each owner
  Matrix in_;   // [rows asked of owned parts, dim], in the order of RowDemand
  std::vector<std::uint64_t> out_at_;  // [owned * P]: where block (owned part, owner) begins
  std::vector<typename Transport::Send> sends_;
  std::vector<typename Transport::Receive> receives_;
};

extern template class GradientReturn<execution::Space::kHost>;
extern template class GradientReturn<execution::Space::kDevice>;

}  // namespace tessera::exchange
