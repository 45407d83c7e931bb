// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/padding.hpp"
#include "model/scorer.hpp"
#include "train/relation_step.hpp"
#include "train/resident/place.hpp"
#include "train/resident/tables.hpp"

#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace tessera::train {

/// What everything that works in one memory space shares: the memory, the kernels, the tables and some constants.
template <kernels::Space kSpace>
class Resident {
 public:
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Matrix = kernels::BasicMatrix<kSpace>;
  using Segments = kernels::BasicSegments<kSpace>;

  /// `longest`: of any list of rows or queries.
  Resident(Place<kSpace>& where, const kernels::BasicBackend<kSpace>& backend, const model::Parameters& parameters,
           ResidentTables<kSpace> of, std::uint64_t longest)
      : place(where),
        kernels(backend),
        tables(std::move(of)),
        scorer(parameters.scorer()),
        dim(parameters.dim()),
        operator_dim(parameters.operators().cols),
        gradient_dim(relation_gradient_dim(parameters)),
        relation_count(parameters.relations().rows),
        counting_(where.template allocate<std::uint32_t>(memory::Tag::kBatch, longest + 1)),
        ones_(where.template allocate<float>(memory::Tag::kBatch, longest)) {
    std::vector<std::uint32_t> counting(longest + 1);
    std::iota(counting.begin(), counting.end(), 0U);
    place.bring(std::span<const std::uint32_t>(counting), counting_.span());
    const std::vector<float> ones(longest, 1.0F);
    place.bring(std::span<const float>(ones), ones_.span());
    place.finish();
  }

  /// 0, 1, ..., count - 1; up to longest + 1 of them.
  [[nodiscard]] Vector<const std::uint32_t> counting(std::size_t count, std::size_t first = 0) const {
    return Vector<const std::uint32_t>(counting_.span()).subspan(first, count);
  }
  [[nodiscard]] Vector<const float> ones(std::size_t count) const {
    return Vector<const float>(ones_.span()).subspan(0, count);
  }
  /// Segments of one position each, in order.
  [[nodiscard]] Segments one_by_one(std::size_t count) const { return {counting(count + 1), counting(count)}; }
  /// Segments whose positions are in order already.
  [[nodiscard]] Segments in_order(Vector<const std::uint32_t> offsets, std::size_t count) const {
    return {offsets, counting(count)};
  }
  [[nodiscard]] Matrix allocate(memory::Tag tag, std::size_t rows, std::size_t cols) {
    memory_.push_back(place.template allocate<float>(tag, rows * cols));
    return {memory_.back().data(), rows, cols, cols};
  }
  /// Memory for what Gradients::pack() makes; none where it makes nothing.
  [[nodiscard]] Vector<std::byte> allocate_packed(memory::Tag tag, std::uint64_t bytes) {
    if (bytes == 0) return {};
    packed_.push_back(place.template allocate<std::byte>(tag, bytes));
    return packed_.back().span();
  }
  /// For weights of products: rows that begin where those are fast.
  [[nodiscard]] Matrix allocate_padded(memory::Tag tag, std::size_t rows, std::size_t cols) {
    const Matrix made = allocate(tag, rows, kernels::padded_stride(cols));
    return made.columns(0, cols);
  }
  /// The first rows of a matrix that has room for more.
  [[nodiscard]] static Matrix first(Matrix matrix, std::size_t rows) { return matrix.block(0, rows); }
  [[nodiscard]] static Vector<float> vector(Matrix row, std::size_t count) { return {row.data, count}; }
  /// Adds times[k] times the gradient of factor * |x|^power of table[rows[k]] to gradients[to[k]].
  void penalise(float power, bool is_complex, float factor, Vector<const float> times,
                kernels::BasicConstStoredRows<kSpace> table, Vector<const std::uint32_t> rows, Matrix gradients,
                Vector<const std::uint32_t> to) const {
    if (factor != 0.0F) kernels.penalties.add({power, is_complex}, factor, times, table, rows, gradients, to);
  }

  // NOLINTBEGIN(misc-non-private-member-variables-in-classes)
  Place<kSpace>& place;
  const kernels::BasicBackend<kSpace>& kernels;
  ResidentTables<kSpace> tables;
  const model::Scorer& scorer;
  std::size_t dim;
  std::size_t operator_dim;
  std::size_t gradient_dim;    // of a relation
  std::size_t relation_count;  // directed
                               // NOLINTEND(misc-non-private-member-variables-in-classes)

 private:
  typename Place<kSpace>::template Buffer<std::uint32_t> counting_;
  typename Place<kSpace>::template Buffer<float> ones_;
  std::vector<typename Place<kSpace>::template Buffer<float>> memory_;
  std::vector<typename Place<kSpace>::template Buffer<std::byte>> packed_;
};

}  // namespace tessera::train
