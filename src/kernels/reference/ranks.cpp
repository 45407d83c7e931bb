// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/shapes.hpp"
#include "kernels/reference/families.hpp"
#include "kernels/reference/similarity.hpp"

namespace tessera::kernels::reference {
namespace {

class ReferenceRanks final : public Ranks {
 public:
  void count(Similarity similarity, ConstMatrix queries, ConstMatrix rows, std::span<const float> target_scores,
             std::span<std::uint32_t> n_greater, std::span<std::uint32_t> n_equal) const override {
    detail::check_ranks(queries, rows, target_scores, n_greater, n_equal);
    for (std::size_t i = 0; i < queries.rows; ++i)
      for (std::size_t j = 0; j < rows.rows; ++j) {
        const float score = similarity_of(similarity, queries.row(i), rows.row(j), rows.cols);
        n_greater[i] += score > target_scores[i] ? 1 : 0;
        n_equal[i] += score == target_scores[i] ? 1 : 0;
      }
  }
};

}  // namespace

const Ranks& ranks() {
  static const ReferenceRanks instance;
  return instance;
}

}  // namespace tessera::kernels::reference
