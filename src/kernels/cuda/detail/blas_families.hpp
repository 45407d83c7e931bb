// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/backend.hpp"
#include "kernels/cuda/detail/blas.hpp"
#include "kernels/detail/shapes.hpp"

// The two families that multiply, by cuBLAS. The chains take calls that are no product, or empty.
namespace tessera::kernels::cuda {

inline Factor factor(const BasicOperand<Space::kDevice>& operand, bool transposed = false) {
  return {{operand.matrix, {}, 1, operand.packed}, transposed};
}

inline Factor factor(const BasicTiledWeights<Space::kDevice>& tiled, bool transposed = false) {
  return {tiled, transposed};
}

inline bool is_empty(DeviceMatrix out, std::size_t steps) { return out.rows == 0 || out.cols == 0 || steps == 0; }

class BlasScores final : public BasicScores<Space::kDevice> {
 public:
  BlasScores(const BasicScores& chains, const Blas& blas) : chains_(chains), blas_(blas) {}

  void all_pairs(Similarity similarity, Operand queries, Operand rows, Matrix out) const override {
    if (similarity != Similarity::kDot || is_empty(out, rows.matrix.cols))
      return chains_.all_pairs(similarity, queries, rows, out);
    kernels::detail::check_scores(queries.matrix, rows.matrix, out);
    blas_.multiply(factor(queries), factor(rows, true), out);
  }

  void pairs(Similarity similarity, ConstMatrix queries, ConstMatrix rows, Vector<float> out) const override {
    chains_.pairs(similarity, queries, rows, out);
  }

 private:
  const BasicScores& chains_;
  const Blas& blas_;
};

class BlasGradients final : public BasicGradients<Space::kDevice> {
 public:
  BlasGradients(const BasicGradients& chains, const Blas& blas) : chains_(chains), blas_(blas) {}

  void to_queries(ConstMatrix weights, ConstMatrix rows, Matrix out) const override {
    if (is_empty(out, rows.rows)) return chains_.to_queries(weights, rows, out);
    kernels::detail::check_gradients(weights, out, rows);
    blas_.multiply(factor(weights), factor(rows), out);
  }

  void to_rows(ConstMatrix weights, ConstMatrix queries, Matrix out) const override {
    if (is_empty(out, queries.rows)) return chains_.to_rows(weights, queries, out);
    kernels::detail::check_gradients(weights, queries, out);
    blas_.multiply(factor(weights, true), factor(queries), out);
  }

  [[nodiscard]] std::uint64_t packed_bytes(std::size_t rows, std::size_t cols) const override {
    return blas_.packed_bytes({{nullptr, rows, cols, cols}, {}});
  }

  [[nodiscard]] std::uint64_t packed_weight_bytes(std::size_t rows, std::size_t cols) const override {
    return blas_.packed_bytes({{nullptr, rows, cols, cols}, {nullptr, 1, rows, rows}});
  }

  [[nodiscard]] Operand pack(ConstMatrix matrix, Vector<std::byte> memory) const override {
    return {matrix, blas_.pack({matrix, {}}, memory)};
  }

  [[nodiscard]] TiledWeights pack(TiledWeights tiled, Vector<std::byte> memory) const override {
    kernels::detail::check_weights(tiled);
    tiled.packed = blas_.pack(tiled, memory);
    return tiled;
  }

  [[nodiscard]] bool takes_stored(const BasicConstStoredRows<Space::kDevice>& table) const override {
    return blas_.takes_stored(table);
  }

  // All tiles are one product: the copy of the weights has the factors in it.
  void add_to_queries_tiled(TiledWeights tiled, Operand rows, Matrix scratch, Matrix out) const override {
    if (is_empty(out, rows.matrix.rows)) return chains_.add_to_queries_tiled(tiled, rows, scratch, out);
    kernels::detail::check_tiled(tiled, out, rows.matrix);
    blas_.multiply(factor(tiled), factor(rows), out, Blas::Result::kAdded);
  }

  void to_rows_tiled(TiledWeights tiled, Operand queries, Matrix out) const override {
    if (is_empty(out, queries.matrix.rows)) return chains_.to_rows_tiled(tiled, queries, out);
    kernels::detail::check_tiled(tiled, queries.matrix, out);
    blas_.multiply(factor(tiled, true), factor(queries), out);
  }

 private:
  const BasicGradients& chains_;
  const Blas& blas_;
};

}  // namespace tessera::kernels::cuda
