// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "exchange/rows/row_demand.hpp"
#include "execution/executor.hpp"
#include "execution/step_memory.hpp"
#include "kernels/stored_rows.hpp"

#include <cstdint>
#include <vector>

namespace tessera::exchange {

/// The way back: summed gradients of the rows that parts needed travel to the owners of the rows. In a format smaller
/// than fp32, gradients that leave their part are rounded stochastically, whether or not they leave the rank: the
/// random bits are a function of the key, of both parts and of the row's place among those that one needs of the other.
template <execution::Space kSpace>
class GradientReturn {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using Transport = comm::RankTransport<kSpace>;

  struct Setup {
    execution::Executor<kSpace>& executor;
    execution::StepMemory<kSpace>& memory;  ///< counts to the rows of the largest halo
    const RowDemand& demand;
    Transport* transport = nullptr;  ///< null with one rank
    std::size_t dim = 0;
    kernels::RowFormat format = kernels::RowFormat::kFp32;  ///< of gradients that leave their part
  };
  /// The objects of `setup` outlive this one.
  explicit GradientReturn(const Setup& setup);

  /// Before the blocks of a step are asked for; the demand of the slot is finished.
  void start(std::size_t slot);
  /// Where owned part p puts the gradients of the rows that it needed of part q [RowRequests::count(q), dim].
  [[nodiscard]] Matrix block(std::size_t p, PartId q) const;
  /// Collective. Sends them. `key`: random bits of the step.
  void exchange(std::uint64_t key);
  /// The gradients that arrived for an owned part. Gradient i belongs to row RowDemand::asked(slot, own_part)[i].
  [[nodiscard]] Matrix arrived(std::size_t own_part) const;
  /// The most bytes that a rank sends and receives.
  static std::uint64_t largest_bytes(const RowTotals& totals, std::size_t row_bytes) {
    return (totals.remote + totals.requested) * row_bytes;
  }

 private:
  using StoredRows = kernels::BasicStoredRows<kSpace>;
  [[nodiscard]] bool is_rounded() const { return format_ != kernels::RowFormat::kFp32; }
  [[nodiscard]] StoredRows allocate(std::uint64_t rows);
  /// The rounded form of block(p, q).
  [[nodiscard]] StoredRows rounded_block(std::size_t p, std::uint32_t q) const;
  void encode(std::uint64_t key);
  void decode();
  void decode(std::uint64_t first, std::uint64_t rows);
  void send();

  execution::Executor<kSpace>& executor_;
  execution::StepMemory<kSpace>& memory_;
  const RowDemand& demand_;
  Transport* transport_;
  kernels::RowFormat format_;
  std::size_t slot_ = 0;
  Matrix out_;              // [rows of other ranks' parts, dim], by (owner, owned part): one message for each owner
  Matrix in_;               // [rows asked of owned parts, dim], in the order of RowDemand
  StoredRows rounded_out_;  // the same in the format, where it is not fp32
  StoredRows rounded_in_;
  std::vector<std::uint64_t> out_at_;  // [owned * P]: where block (owned part, owner) begins
  std::vector<typename Transport::Send> sends_;
  std::vector<typename Transport::Receive> receives_;
};

extern template class GradientReturn<execution::Space::kHost>;
extern template class GradientReturn<execution::Space::kDevice>;

}  // namespace tessera::exchange
