// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "model/row_formats.hpp"
#include "search/ranker.hpp"

namespace tessera::search {
namespace {

using kernels::Space;
using memory::Tag;

/// Ranks among copies of the rows that are candidates.
class RankerAmong final : public Ranker {
 public:
  RankerAmong(const Setup& setup, const RowMask& among, std::uint64_t block_queries)
      : setup_(setup),
        among_(among),
        dim_(setup.parameters.dim()),
        rows_(setup.host.allocate<float>(Tag::kEvaluation, among.count() * dim_)) {
    Sizes sizes = host_sizes(setup, block_queries);
    sizes.rows = among.count();
    sizes.borrows = true;
    const std::vector<kernels::ConstMatrix> rows = {{rows_.data(), among.count(), dim_, dim_}};
    ranker_ = std::make_unique<RankerOn<Space::kHost>>(setup, std::make_unique<execution::HostExecutor>(setup.host),
                                                       sizes, plan_host_ranking(sizes), rows);
  }

  void begin() override {
    std::uint64_t row = 0;
    float* copy = rows_.data();
    for (const model::PartTable& part : setup_.parameters.parts())
      for (std::size_t i = 0; i < part.rows.rows; ++i, ++row) {
        if (!among_.has(row)) continue;
        model::decode(part.rows.block(i, 1), {copy, 1, dim_, dim_});
        copy += dim_;
      }
    ranker_->begin();
  }
  void start(const kernels::ConstMatrix& queries, std::span<const float> target_scores) override {
    ranker_->start(queries, target_scores);
  }
  void finish(std::span<std::int64_t> n_greater, std::span<std::int64_t> n_equal) override {
    ranker_->finish(n_greater, n_equal);
  }
  [[nodiscard]] const Cost& cost() const override { return ranker_->cost(); }

 private:
  Setup setup_;
  const RowMask& among_;
  std::size_t dim_;
  memory::Buffer<float> rows_;  // [candidates, dim]
  std::unique_ptr<RankerOn<Space::kHost>> ranker_;
};

}  // namespace

MakeRanker rank_on_host_among(const RowMask& among) {
  return [&among](const Setup& setup, std::uint64_t block_queries) {
    return std::make_unique<RankerAmong>(setup, among, block_queries);
  };
}

}  // namespace tessera::search
