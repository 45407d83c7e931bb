// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "core/random.hpp"
#include "execution/step_memory.hpp"
#include "graph/shard.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/padding.hpp"
#include "model/parameters.hpp"

#include <algorithm>
#include <vector>

namespace tessera::train {

/// The format of entity rows in one memory space. Relation rows and all states are fp32.
struct RowFormat {
  bool is_bfloat16 = false;  ///< run.rows
  std::uint64_t seed = 0;    ///< seed of the rounding of updates
  static RowFormat of(const Job& job) { return {job.run.rows == "bf16", job.run.seed}; }
};

/// Rows and optimiser state where the kernels read them. On the host these are the parameters themselves, unless entity
/// rows are kept in another format; on a device they are copies.
template <execution::Space kSpace>
class Tables {
 public:
  using Matrix = kernels::BasicMatrix<kSpace>;
  using StoredRows = kernels::BasicStoredRows<kSpace>;
  struct Table {
    Matrix rows;
    Matrix state;
  };
  struct PartTable {
    StoredRows rows;
    Matrix state;
    Matrix with_halo;  ///< own rows, then rows of other parts; only in fp32
  };
  static constexpr bool kIsHost = kSpace == execution::Space::kHost;

  /// For `parameters` of parts of `manifest`; both outlive this, as the executor does.
  Tables(model::Parameters& parameters, const graph::PartitionManifest& manifest, RowFormat format,
         execution::Executor<kSpace>& executor)
      : executor_(executor),
        parameters_(parameters),
        copies_(!kIsHost || format.is_bfloat16),
        rounding_(format.seed, Purpose::kRounding) {
    for (const model::PartTable& part : parameters.parts()) {
      PartTable table;
      if (format.is_bfloat16) {
        table.rows = make_rounded(part.rows);
      } else {
        table.with_halo = make(memory::Tag::kRows, part.rows_and_spare);
        table.rows = table.with_halo.block(0, part.rows.rows);
      }
      table.state = make(memory::Tag::kState, part.state);
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

  /// Before the updates of a step, counted over all epochs: rounding takes its random bits from there.
  void begin_step(std::uint64_t step) {
    for (PartTable& part : parts_) part.rows.rounding.key = rounding_.bits(step);
  }

  /// Whether these are other memory than the parameters: upload() and download() keep both alike.
  [[nodiscard]] bool are_copies() const { return copies_; }
  /// From the parameters to here, and back; both block until it is done.
  void upload() {
    if (!copies_) return;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      upload_rows(parameters_.parts()[p].rows, parts_[p].rows);
      upload(parameters_.parts()[p].state, parts_[p].state);
    }
    upload(parameters_.relations(), relations_.rows);
    upload(parameters_.relation_state(), relations_.state);
    upload(parameters_.core(), core_.rows);
    upload(parameters_.core_state(), core_.state);
    executor_.synchronize();
  }
  void download() {
    if (!copies_) return;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      download_rows(parts_[p].rows, parameters_.parts()[p].rows);
      download(parts_[p].state, parameters_.parts()[p].state);
    }
    download(relations_.rows, parameters_.relations());
    download(relations_.state, parameters_.relation_state());
    download(core_.rows, parameters_.core());
    download(core_.state, parameters_.core_state());
    executor_.synchronize();
  }

 private:
  static constexpr std::size_t kPieceNumbers = std::size_t{1}
                                               << 19U;  ///< numbers that are converted, then copied: 1 MiB

  template <class T>
  using Vector = kernels::Vector<kSpace, T>;

  Matrix make(memory::Tag tag, kernels::Matrix like) {
    if constexpr (kIsHost)
      if (!copies_) return like;
    memory_.push_back(executor_.template allocate<float>(tag, like.rows * like.cols));
    return {memory_.back().data(), like.rows, like.cols, like.cols};
  }
  StoredRows make_rounded(kernels::Matrix like) {
    const std::size_t stride = kernels::padded_stride(like.cols);
    rounded_.push_back(executor_.template allocate<std::uint16_t>(memory::Tag::kRows, like.rows * stride));
    piece_.resize(std::max(piece_.size(), std::min(like.rows, rows_at_once(stride)) * stride));
    return {kernels::RowFormat::kBf16, reinterpret_cast<std::byte*>(rounded_.back().data()), like.rows, like.cols,
            stride * sizeof(std::uint16_t)};
  }
  static std::size_t stride_of(const StoredRows& rows) { return rows.stride / sizeof(std::uint16_t); }
  static std::size_t rows_at_once(std::size_t stride) { return std::max<std::size_t>(1, kPieceNumbers / stride); }

  void upload(kernels::ConstMatrix from, Matrix to) const {
    executor_.upload(std::span<const float>(from.data, from.rows * from.cols),
                     Vector<float>(to.data, from.rows * from.cols));
  }
  void download(Matrix from, kernels::Matrix to) const {
    executor_.download(Vector<const float>(from.data, from.rows * from.cols),
                       std::span<float>(to.data, from.rows * from.cols));
  }
  void upload_rows(kernels::ConstMatrix from, const StoredRows& to) {
    if (to.is_fp32()) return upload(from, to.matrix());
    in_pieces(to, [&](std::size_t first, std::size_t count, Vector<std::uint16_t> there) {
      for (std::size_t i = 0; i < count; ++i)
        std::transform(from.row(first + i), from.row(first + i) + from.cols, piece_.data() + i * stride_of(to),
                       kernels::to_bfloat16);
      executor_.upload(std::span<const std::uint16_t>(piece_.data(), there.size()), there);
      executor_.synchronize();
    });
  }
  void download_rows(const StoredRows& from, kernels::Matrix to) {
    if (from.is_fp32()) return download(from.matrix(), to);
    in_pieces(from, [&](std::size_t first, std::size_t count, Vector<std::uint16_t> there) {
      executor_.download(Vector<const std::uint16_t>(there), std::span<std::uint16_t>(piece_.data(), there.size()));
      executor_.synchronize();
      for (std::size_t i = 0; i < count; ++i)
        std::transform(piece_.data() + i * stride_of(from), piece_.data() + i * stride_of(from) + from.cols,
                       to.row(first + i), kernels::from_bfloat16);
    });
  }
  /// Calls copy(first row, rows, their memory).
  template <class Copy>
  static void in_pieces(const StoredRows& rows, const Copy& copy) {
    const std::size_t stride = stride_of(rows);
    const std::size_t at_once = rows_at_once(stride);
    for (std::size_t first = 0; first < rows.rows; first += at_once) {
      const std::size_t count = std::min(at_once, rows.rows - first);
      copy(first, count,
           Vector<std::uint16_t>(reinterpret_cast<std::uint16_t*>(rows.data) + first * stride, count * stride));
    }
  }

  execution::Executor<kSpace>& executor_;
  model::Parameters& parameters_;
  bool copies_;
  RandomStream rounding_;
  std::vector<typename execution::Executor<kSpace>::template Buffer<float>> memory_;
  std::vector<typename execution::Executor<kSpace>::template Buffer<std::uint16_t>> rounded_;
  std::vector<std::uint16_t> piece_;
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
