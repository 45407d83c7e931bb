// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "core/random.hpp"
#include "graph/partition_manifest.hpp"
#include "kernels/padding.hpp"
#include "model/parameters.hpp"
#include "train/resident/place.hpp"

#include <algorithm>
#include <vector>

namespace tessera::train {

/// The format of entity rows in one memory space; those of relations, and all states, are fp32.
struct RowFormat {
  bool is_bfloat16 = false;  ///< run.rows
  std::uint64_t seed = 0;    ///< of the rounding of updates
  static RowFormat of(const Job& job) { return {job.run.rows == "bf16", job.run.seed}; }
};

/// The parameters and optimiser state of a rank in one memory space, and the way from and to the host's. Rows in
/// bfloat16 have the stride at which products take them as they are; they come rounded to nearest and go back exactly,
/// so that rows that went and came are what they were.
template <kernels::Space kSpace>
class ResidentTables {
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
  };
  /// Memory for as much as `parameters` have, which are of parts of `manifest`.
  ResidentTables(const model::Parameters& parameters, const graph::PartitionManifest& manifest, RowFormat format,
                 Place<kSpace>& place)
      : place_(place), rounding_(format.seed, Purpose::kRounding) {
    for (const model::PartTable& part : parameters.parts()) {
      parts_.push_back({format.is_bfloat16 ? make_rounded(part.rows) : StoredRows(make(memory::Tag::kRows, part.rows)),
                        make(memory::Tag::kState, part.state)});
      parts_.back().rows.rounding.first_row = manifest.offsets[part.part.index()];
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

  /// From the host to here, and back; both wait for it.
  void bring(const model::Parameters& from) {
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      bring_rows(from.parts()[p].rows, parts_[p].rows);
      bring(from.parts()[p].state, parts_[p].state);
    }
    bring(from.relations(), relations_.rows);
    bring(from.relation_state(), relations_.state);
    bring(from.core(), core_.rows);
    bring(from.core_state(), core_.state);
    place_.finish();
  }
  void fetch(const model::Parameters& to) {
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      fetch_rows(parts_[p].rows, to.parts()[p].rows);
      fetch(parts_[p].state, to.parts()[p].state);
    }
    fetch(relations_.rows, to.relations());
    fetch(relations_.state, to.relation_state());
    fetch(core_.rows, to.core());
    fetch(core_.state, to.core_state());
    place_.finish();
  }

 private:
  static constexpr std::size_t kPieceNumbers = std::size_t{1} << 19U;  ///< that are converted, then copied: 1 MiB

  template <class T>
  using Vector = kernels::Vector<kSpace, T>;

  Matrix make(memory::Tag tag, kernels::Matrix like) {
    memory_.push_back(place_.template allocate<float>(tag, like.rows * like.cols));
    return {memory_.back().data(), like.rows, like.cols, like.cols};
  }
  StoredRows make_rounded(kernels::Matrix like) {
    const std::size_t stride = kernels::padded_stride(like.cols);
    rounded_.push_back(place_.template allocate<std::uint16_t>(memory::Tag::kRows, like.rows * stride));
    piece_.resize(std::max(piece_.size(), std::min(like.rows, rows_at_once(stride)) * stride));
    return {rounded_.back().data(), like.rows, like.cols, stride};
  }
  static std::size_t rows_at_once(std::size_t stride) { return std::max<std::size_t>(1, kPieceNumbers / stride); }

  void bring(kernels::ConstMatrix from, Matrix to) const {
    place_.bring(std::span<const float>(from.data, from.rows * from.cols),
                 Vector<float>(to.data, from.rows * from.cols));
  }
  void fetch(Matrix from, kernels::Matrix to) const {
    place_.fetch(Vector<const float>(from.data, from.rows * from.cols),
                 std::span<float>(to.data, from.rows * from.cols));
  }
  void bring_rows(kernels::ConstMatrix from, const StoredRows& to) {
    if (!to.is_bfloat16()) return bring(from, to.matrix());
    in_pieces(to, [&](std::size_t first, std::size_t count, Vector<std::uint16_t> there) {
      for (std::size_t i = 0; i < count; ++i)
        std::transform(from.row(first + i), from.row(first + i) + from.cols, piece_.data() + i * to.stride,
                       kernels::to_bfloat16);
      place_.bring(std::span<const std::uint16_t>(piece_.data(), there.size()), there);
      place_.finish();
    });
  }
  void fetch_rows(const StoredRows& from, kernels::Matrix to) {
    if (!from.is_bfloat16()) return fetch(from.matrix(), to);
    in_pieces(from, [&](std::size_t first, std::size_t count, Vector<std::uint16_t> there) {
      place_.fetch(Vector<const std::uint16_t>(there), std::span<std::uint16_t>(piece_.data(), there.size()));
      place_.finish();
      for (std::size_t i = 0; i < count; ++i)
        std::transform(piece_.data() + i * from.stride, piece_.data() + i * from.stride + from.cols, to.row(first + i),
                       kernels::from_bfloat16);
    });
  }
  /// Calls copy(first row, rows, their memory).
  template <class Copy>
  static void in_pieces(const StoredRows& rows, const Copy& copy) {
    const std::size_t at_once = rows_at_once(rows.stride);
    for (std::size_t first = 0; first < rows.rows; first += at_once) {
      const std::size_t count = std::min(at_once, rows.rows - first);
      copy(first, count, Vector<std::uint16_t>(rows.bfloats + first * rows.stride, count * rows.stride));
    }
  }

  Place<kSpace>& place_;
  RandomStream rounding_;
  std::vector<typename Place<kSpace>::template Buffer<float>> memory_;
  std::vector<typename Place<kSpace>::template Buffer<std::uint16_t>> rounded_;
  std::vector<std::uint16_t> piece_;
  std::vector<PartTable> parts_;
  Table relations_;
  Table core_;
};

}  // namespace tessera::train
