// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/assignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace tessera::partition {
namespace {

std::vector<std::uint64_t> rows_of(const Assignment& assignment, std::uint64_t parts) {
  std::vector<std::uint64_t> rows(parts);
  for (const PartId part : assignment) ++rows.at(part.index());
  return rows;
}

TrainingSummary summary_of(std::vector<std::uint32_t> degree, std::vector<std::uint32_t> vertex) {
  TrainingSummary summary;
  summary.degree = std::move(degree);
  summary.vertex = std::move(vertex);
  for (std::size_t e = 0; e < summary.vertex.size(); ++e)
    if (summary.vertex[e] != kLoose) summary.vertex_degree.push_back(summary.degree[e]);
  return summary;
}

TEST(RandomAssignment, RowsDifferByAtMostOne) {
  for (const std::uint64_t parts : {1, 2, 7, 100}) {
    const auto rows = rows_of(random_assignment(100, parts, 3), parts);
    EXPECT_LE(*std::max_element(rows.begin(), rows.end()), *std::min_element(rows.begin(), rows.end()) + 1);
  }
  EXPECT_EQ(random_assignment(100, 7, 3), random_assignment(100, 7, 3));
  EXPECT_NE(random_assignment(100, 7, 3), random_assignment(100, 7, 4));
}

TEST(Spread, KeepsVerticesAndEvensOutRows) {
  // Three vertices in part 0, one in part 1, six loose entities.
  const auto summary =
      summary_of({1, 0, 0, 1, 0, 1, 1, 0, 0, 0}, {0, kLoose, kLoose, 1, kLoose, 2, 3, kLoose, kLoose, kLoose});
  const std::vector<std::uint32_t> part_of_vertex = {0, 0, 1, 0};
  const Assignment assignment = spread(summary, part_of_vertex, 2);
  EXPECT_EQ(assignment[0], PartId(0));
  EXPECT_EQ(assignment[3], PartId(0));
  EXPECT_EQ(assignment[5], PartId(1));
  EXPECT_EQ(assignment[6], PartId(0));
  EXPECT_EQ(rows_of(assignment, 2), (std::vector<std::uint64_t>{5, 5}));
}

TEST(Spread, EntitiesWithLoopsOnlyEvenOutQueries) {
  // The vertices of part 0 have 10 queries; two entities with loops have 4 each.
  const auto summary = summary_of({5, 5, 4, 4}, {0, 1, kLoose, kLoose});
  const Assignment assignment = spread(summary, std::vector<std::uint32_t>{0, 0}, 2);
  EXPECT_EQ(assignment[2], PartId(1));
  EXPECT_EQ(assignment[3], PartId(1));
}

TEST(Spread, LeavesNoPartEmpty) {
  const auto summary = summary_of({1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5});
  for (std::uint64_t parts = 1; parts <= 6; ++parts) {
    const Assignment assignment =
        spread(summary, std::vector<std::uint32_t>(6, static_cast<std::uint32_t>(parts) - 1), parts);
    const auto rows = rows_of(assignment, parts);
    EXPECT_GE(*std::min_element(rows.begin(), rows.end()), 1U) << parts;
  }
}

TEST(IsBalanced, AllowsForTheHeaviestVertex) {
  const auto summary = summary_of({10, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5});
  EXPECT_TRUE(is_balanced(summary, std::vector<std::uint32_t>{0, 1, 1, 1, 0, 1}, 2, 1.1));
  EXPECT_FALSE(is_balanced(summary, std::vector<std::uint32_t>{0, 0, 0, 0, 0, 1}, 2, 1.1));
}

}  // namespace
}  // namespace tessera::partition
