// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Rows of every format are ranked as the same rows in fp32, in windows of any size.
#include "model/row_formats.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "search/ranker.hpp"
#include "support/model_fixture.hpp"
#include "support/search_on_host.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tessera::test {
namespace {

using execution::HostThreads;
using kernels::RowFormat;
using Counts = std::vector<std::int64_t>;

constexpr std::size_t kDim = 22;
constexpr std::size_t kQueries = 40;

Counts rank(search::Ranker& ranker) {
  std::vector<float> queries(kQueries * kDim);
  std::vector<float> scores(kQueries);
  for (std::size_t k = 0; k < queries.size(); ++k) queries[k] = 0.1F * static_cast<float>(k % 31) - 1.4F;
  for (std::size_t i = 0; i < kQueries; ++i) scores[i] = 0.3F * static_cast<float>(i % 7) - 1;
  ranker.begin();
  ranker.start({queries.data(), kQueries, kDim, kDim}, scores);
  Counts greater(kQueries);
  Counts equal(kQueries);
  ranker.finish(greater, equal);
  greater.insert(greater.end(), equal.begin(), equal.end());
  return greater;
}

class RankedRows : public testing::TestWithParam<RowFormat> {};

TEST_P(RankedRows, AreThoseInFp32) {
  const StoredGraph stored(random_graph({.entities = 700, .relations = 3, .train = 2000}), 3);
  comm::run_ranks(1, [&](comm::Communicator& comm) {
    memory::Pool pool(64U << 20U);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    ModelValues model;
    model.dim = kDim;
    model.entity = normals(1);
    model::Parameters small(shard, model.job(), model::StateShape::kNone, pool, {.format = GetParam()});
    fill(model, shard, small);
    model::Parameters exact(shard, model.job(), model::StateShape::kNone, pool);
    fill(model, shard, exact);
    for (std::size_t p = 0; p < small.parts().size(); ++p)
      model::decode(small.parts()[p].rows, exact.parts()[p].rows.matrix());
    execution::HostExecutor host(pool, kernels::cpu_backend(), HostThreads(3));
    const search::Setup of_small{{comm, shard, host}, small};
    const Counts expected = rank(*search::rank_on_host()({{comm, shard, host}, exact}, kQueries));
    EXPECT_GT(*std::max_element(expected.begin(), expected.end()), 0);
    EXPECT_EQ(rank(*search::rank_on_host()(of_small, kQueries)), expected);
    for (const std::uint64_t window : {1U, 11U, 299U, 699U}) {
      const OnHost how{.backend = kernels::cpu_backend(), .threads = HostThreads(3)};
      EXPECT_EQ(rank(*rank_with(how, {7, window, 0})(of_small, kQueries)), expected) << window;
    }
    std::vector<std::uint64_t> bits(11, ~std::uint64_t{0});
    bits.back() >>= 4U;
    const search::RowMask all(bits);
    EXPECT_EQ(rank(*search::rank_on_host_among(all)(of_small, kQueries)), expected);
  });
}

INSTANTIATE_TEST_SUITE_P(Formats, RankedRows,
                         testing::Values(RowFormat::kFp32, RowFormat::kBf16, RowFormat::kFp16, RowFormat::kInt8,
                                         RowFormat::kInt8Groups, RowFormat::kInt4Groups),
                         [](const auto& tested) { return std::string(model::name(tested.param)); });

}  // namespace
}  // namespace tessera::test
