// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "execution/executor.hpp"
#include "kernels/padding.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace tessera::execution {

/// Matrices that live as long as an engine, and the lists that every step needs: 0, 1, 2, ... and ones.
template <Space kSpace>
class StepMemory {
 public:
  template <class T>
  using Vector = kernels::Vector<kSpace, T>;
  using Matrix = kernels::BasicMatrix<kSpace>;
  using Segments = kernels::BasicSegments<kSpace>;
  using Indices = Vector<const std::uint32_t>;

  /// `longest`: of any list of rows or queries.
  StepMemory(Executor<kSpace>& executor, std::uint64_t longest)
      : executor_(executor),
        counting_(executor.template allocate<std::uint32_t>(memory::Tag::kBatch, longest + 1)),
        ones_(executor.template allocate<float>(memory::Tag::kBatch, longest)) {
    std::vector<std::uint32_t> counting(longest + 1);
    std::iota(counting.begin(), counting.end(), 0U);
    executor.upload(std::span<const std::uint32_t>(counting), counting_.span());
    const std::vector<float> ones(longest, 1.0F);
    executor.upload(std::span<const float>(ones), ones_.span());
    executor.synchronize();
  }

  /// first, first + 1, ..., first + count - 1; all below longest + 1.
  [[nodiscard]] Indices counting(std::size_t count, std::size_t first = 0) const {
    return Indices(counting_.span()).subspan(first, count);
  }
  [[nodiscard]] Vector<const float> ones(std::size_t count) const {
    return Vector<const float>(ones_.span()).subspan(0, count);
  }
  /// Segments of one position each: first, first + 1, ...
  [[nodiscard]] Segments one_by_one(std::size_t count, std::size_t first = 0) const {
    return {counting(count + 1, first), counting(first + count)};
  }
  /// Segments whose positions are 0 .. count - 1 in order.
  [[nodiscard]] Segments in_order(Indices offsets, std::size_t count) const { return {offsets, counting(count)}; }

  [[nodiscard]] Matrix allocate(memory::Tag tag, std::size_t rows, std::size_t cols) {
    floats_.push_back(executor_.template allocate<float>(tag, rows * cols));
    return {floats_.back().data(), rows, cols, cols};
  }
  /// For weights of products: rows that begin where products are fast.
  [[nodiscard]] Matrix allocate_padded(memory::Tag tag, std::size_t rows, std::size_t cols) {
    return allocate(tag, rows, kernels::padded_stride(cols)).columns(0, cols);
  }
  /// No memory for 0 bytes.
  [[nodiscard]] Vector<std::byte> allocate_bytes(memory::Tag tag, std::uint64_t bytes) {
    if (bytes == 0) return {};
    packed_.push_back(executor_.template allocate<std::byte>(tag, bytes));
    return packed_.back().span();
  }

 private:
  template <class T>
  using Buffer = typename Executor<kSpace>::template Buffer<T>;

  Executor<kSpace>& executor_;
  Buffer<std::uint32_t> counting_;
  Buffer<float> ones_;
  std::vector<Buffer<float>> floats_;
  std::vector<Buffer<std::byte>> packed_;
};

/// The first elements of a matrix of one row, or of one column without gaps.
template <Space kSpace>
kernels::Vector<kSpace, float> vector_of(kernels::BasicMatrix<kSpace> matrix, std::size_t count) {
  return {matrix.data, count};
}

}  // namespace tessera::execution
