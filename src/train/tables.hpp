// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.hpp"
#include "execution/executor.hpp"
#include "execution/step_memory.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::train {

/// Rows and optimiser state where the kernels read them, as the parameters store them. On the host these are the
/// parameters themselves; on a device they are copies.
template <execution::Space kSpace>
class Tables {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using StoredRows = kernels::BasicStoredRows<kSpace>;
  using StoredState = kernels::BasicStoredState<kSpace>;
  struct Table {
    Matrix rows;
    Matrix state;
  };
  struct PartTable {
    StoredRows rows;
    StoredRows with_halo;  ///< own rows, then rows of other parts
    StoredState state;
  };
  static constexpr bool kCopies = kSpace == execution::Space::kDevice;

  /// For `parameters` of parts of `manifest`; both outlive this, as the executor does. `seed` is that of the rounding.
  Tables(model::Parameters& parameters, const graph::PartitionManifest& manifest, std::uint64_t seed,
         execution::Executor<kSpace>& executor)
      : executor_(executor), rounding_(seed, Purpose::kRounding) {
    for (const model::PartTable& part : parameters.parts()) {
      PartTable table;
      table.with_halo = make(part);
      table.rows = table.with_halo.block(0, part.rows.rows);
      table.state = make(part.state);
      table.rows.rounding.first_row = manifest.offsets[part.part.index()];
      parts_.push_back(table);
    }
    relations_ = {make(memory::Tag::kRows, parameters.relations()),
                  make(memory::Tag::kState, parameters.relation_state())};
    core_ = {make(memory::Tag::kRows, parameters.core()), make(memory::Tag::kState, parameters.core_state())};
  }
  [[nodiscard]] const PartTable& part(std::size_t p) const { return parts_[p]; }
  [[nodiscard]] const Table& relations() const { return relations_; }
  [[nodiscard]] const Table& core() const { return core_; }  ///< of no rows without one
  /// The rows of every part, if they are in fp32.
  [[nodiscard]] std::vector<kernels::BasicConstMatrix<kSpace>> fp32_rows() const {
    std::vector<kernels::BasicConstMatrix<kSpace>> rows;
    for (const PartTable& part : parts_)
      if (part.rows.is_fp32()) rows.push_back(part.rows.matrix());
    return rows;
  }

  /// Before the updates of a step, counted over all epochs: rounding takes its random bits from there.
  void begin_step(std::uint64_t step) {
    for (PartTable& part : parts_) part.rows.rounding.key = rounding_.bits(step);
  }

  /// From the parameters to here, and back, where these are copies; both block until it is done.
  void upload() {
    for (const Copy& copy : copies_) executor_.upload(std::span<const std::byte>(copy.original), copy.here);
    executor_.synchronize();
  }
  void download() {
    for (const Copy& copy : copies_) executor_.download(Vector<const std::byte>(copy.here), copy.original);
    executor_.synchronize();
  }

 private:
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  struct Copy {
    std::span<std::byte> original;
    Vector<std::byte> here;
  };

  Matrix make(memory::Tag tag, kernels::Matrix like) {
    if constexpr (!kCopies) {
      return like;
    } else {
      const std::size_t count = like.rows * like.cols;
      std::byte* const data = copy(tag, count * sizeof(float), std::as_writable_bytes(std::span(like.data, count)));
      return {reinterpret_cast<float*>(data), like.rows, like.cols, like.cols};
    }
  }
  StoredRows make(const model::PartTable& like) {
    const kernels::StoredRows& all = like.rows_and_spare;
    if constexpr (!kCopies) {
      return all;
    } else {
      std::byte* const data =
          copy(memory::Tag::kRows, all.rows * all.stride, std::span(all.data, like.rows.rows * all.stride));
      StoredRows copied(all.format, data, all.rows, all.cols, all.stride);
      if (all.hot.rows > 0) copied.hot = make(memory::Tag::kRows, all.hot);
      return copied;
    }
  }
  StoredState make(const kernels::StoredState& like) {
    if constexpr (!kCopies) {
      return like;
    } else {
      const std::size_t bytes = like.rows * like.stride;
      return {like.format, copy(memory::Tag::kState, bytes, std::span(like.data, bytes)), like.rows, like.cols,
              like.stride};
    }
  }
  /// `bytes` of memory that begin with a copy of `original`.
  std::byte* copy(memory::Tag tag, std::size_t bytes, std::span<std::byte> original) {
    memory_.push_back(executor_.template allocate<std::byte>(tag, bytes));
    copies_.push_back({original, memory_.back().span().subspan(0, original.size())});
    return memory_.back().data();
  }

  execution::Executor<kSpace>& executor_;
  RandomStream rounding_;
  std::vector<typename execution::Executor<kSpace>::template Buffer<std::byte>> memory_;
  std::vector<Copy> copies_;
  std::vector<PartTable> parts_;
  Table relations_;
  Table core_;
};

/// The objects that the classes of a step share. All of them outlive these classes.
template <execution::Space kSpace>
struct StepSetup {
  execution::Executor<kSpace>& executor;
  execution::StepMemory<kSpace>& memory;
  Tables<kSpace>& tables;
  const model::Parameters& parameters;
  const graph::Shard& shard;
};

}  // namespace tessera::train
