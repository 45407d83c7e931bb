// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/epoch_line.hpp"

#include "storage/atomic.hpp"
#include "support/graph_fixture.hpp"
#include "train/loop/metrics_log.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace tessera::train {
namespace {

EpochRecord record(std::uint64_t epoch, std::optional<double> mrr = std::nullopt) {
  EpochRecord out;
  out.epoch = epoch;
  out.loss = 2.5;
  out.triples_per_second = 12345;
  out.validation_mrr = mrr;
  if (mrr) out.validation_filter = "train, valid";
  return out;
}

TEST(EpochLineTest, HasTheTimeLeftAndTheLastValidationWithItsFilter) {
  std::vector<EpochRecord> records = {record(1)};
  EXPECT_EQ(epoch_line(records, {4, 0, 90}), "epoch 1 of 4: loss 2.5000, 12,345 triples/s, 1 min 30 s left");
  records.push_back(record(2, 0.25));
  EXPECT_EQ(
      epoch_line(records, {4, 2, 60}),
      "epoch 2 of 4: loss 2.5000, 12,345 triples/s, 1 min 00 s left, validation MRR 0.2500 (filter: train, valid; "
      "the best)");
  records.push_back(record(3));
  EXPECT_EQ(epoch_line(records, {4, 2, 0}),
            "epoch 3 of 4: loss 2.5000, 12,345 triples/s, validation MRR 0.2500 after epoch 2 (filter: train, valid)");
  records.push_back(record(4, 0.2));
  EXPECT_EQ(epoch_line(records, {4, 2, 0}),
            "epoch 4 of 4: loss 2.5000, 12,345 triples/s, validation MRR 0.2000 (filter: train, valid)");
}

TEST(EpochLineTest, TheTimeLeftGoesByTheEpochsOfThisSession) {
  const TimeLeft left(2.5, 10);
  EXPECT_DOUBLE_EQ(left.seconds(5, 50), 100);
  EXPECT_DOUBLE_EQ(left.seconds(2.5, 50), 0);
  EXPECT_DOUBLE_EQ(left.seconds(10, 50), 0);
}

// What a line of metrics does not say stays unsaid when the log is written again.
TEST(MetricsLogTest, LinesOfOlderVersionsAreKept) {
  const test::TemporaryFolder folder;
  const std::string old =
      R"({"bytes_sent":7,"epoch":1,"learning_rate":0.1,"loss":2.5,"peak_bytes":{"rows":5},"seconds":2.0,)"
      R"("triples_per_second":50.0,"validation_mrr":0.25})";
  storage::write_text(folder.path() / kMetricsLog, old + "\n");
  MetricsLog log(folder.path(), 1);
  EpochRecord next = record(2, 0.5);
  next.validation_hits = {{1, 0.25}, {3, 0.5}, {10, 0.75}};
  next.end = {"2026-12-01T03:57:20Z", "host", "77"};
  log.append(next);
  log.rebuild_hdf5();
  const auto records = read_metrics(folder.path() / kMetricsLog);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].validation_mrr, 0.25);
  EXPECT_TRUE(records[0].validation_hits.empty());
  EXPECT_TRUE(records[0].end.time_utc.empty());
  ASSERT_EQ(records[1].validation_hits.size(), 3U);
  EXPECT_EQ(records[1].validation_hits[2].k, 10U);
  EXPECT_EQ(records[1].validation_hits[2].share, 0.75);
  EXPECT_EQ(records[1].end.job_id, "77");
  EXPECT_EQ(records[1].validation_filter, "train, valid");
  std::ifstream in(folder.path() / kMetricsLog);
  std::string line;
  std::getline(in, line);
  for (const char* key : {"time", "host", "job_id", "hits", "filter"}) EXPECT_EQ(line.find(key), std::string::npos);
}

}  // namespace
}  // namespace tessera::train
