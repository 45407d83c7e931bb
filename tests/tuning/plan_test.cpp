// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tuning/plan.hpp"

#include "../support/expect_error.hpp"
#include "../support/graph_fixture.hpp"
#include "tuning/results.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace tessera::tuning {
namespace {

class SearchFile : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::path file = folder_.path() / name;
    std::ofstream(file) << text;
    return file;
  }
  /// A search of a job with 27 epochs.
  [[nodiscard]] Search read(const std::string& search, const std::string& space) const {
    const auto job = write("job.toml", "[data]\ngraph = \"g\"\n[run]\nfolder = \"r\"\n[train]\nepochs = 27\n");
    const std::string head = "[search]\njob = \"" + job.string() + "\"\nfolder = \"s\"\n";
    return read_search(write("search.toml", head + search + "\n[space]\n" + space + "\n"), read_job);
  }
  test::TemporaryFolder folder_;
};

TEST_F(SearchFile, GridIsEveryCombination) {
  const Search search = read("method = \"grid\"", "model.dim = [8, 16]\nmodel.name = [\"complex\", \"distmult\"]");
  ASSERT_EQ(search.settings.size(), 4U);
  EXPECT_EQ(search.settings[0], (Settings{"model.dim=8", "model.name='complex'"}));
  EXPECT_EQ(search.settings[3], (Settings{"model.dim=16", "model.name='distmult'"}));
}

TEST_F(SearchFile, DrawsAreInTheirRanges) {
  const Search search = read("method = \"random\"\ntrials = 2000",
                             "optimiser.learning_rate = { from = 0.01, to = 1.0, log = true }\n"
                             "negatives.count = { from = 4, to = 6 }\nmodel.dim = [8, 16]");
  std::map<std::string, int> counts;
  int small = 0;
  for (const Settings& settings : search.settings) {
    ++counts[settings[0]];
    ++counts[settings[1]];
    const double rate = std::stod(settings[2].substr(settings[2].find('=') + 1));
    EXPECT_GE(rate, 0.01);
    EXPECT_LE(rate, 1.0);
    small += rate < 0.1 ? 1 : 0;
  }
  ASSERT_EQ(counts.size(), 5U);  // dim 8, 16; 4, 5, 6 negatives
  for (const char* count : {"negatives.count=4", "negatives.count=5", "negatives.count=6"})
    EXPECT_NEAR(counts[count], 2000.0 / 3, 90) << count;  // four standard deviations
  EXPECT_NEAR(small, 1000, 90);                           // a logarithmic range: half of it is below its geometric mean
  const Search again = read("method = \"random\"\ntrials = 5",
                            "model.dim = [8, 16]\nnegatives.count = { from = 4, to = 6 }\n"
                            "optimiser.learning_rate = { from = 0.01, to = 1.0, log = true }");
  EXPECT_TRUE(std::equal(again.settings.begin(), again.settings.end(), search.settings.begin()));
}

TEST_F(SearchFile, HalvingGivesTheBestMoreEpochs) {
  const Search search = read("trials = 10\nfirst_epochs = 3", "model.dim = [8, 16]");
  EXPECT_EQ(round_epochs(search), (std::vector<std::uint64_t>{3, 9, 27}));
  std::vector<Result> results;
  const auto mrr = [](std::size_t trial) { return 0.1 + 0.01 * static_cast<double>(trial * 7 % 10); };
  for (const std::vector<std::size_t>& expected : {std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                                   std::vector<std::size_t>{1, 4, 7}, std::vector<std::size_t>{7}}) {
    const auto round = current_round(search, results);
    ASSERT_TRUE(round);
    EXPECT_EQ(round->trials, expected);
    for (const std::size_t trial : round->trials) {
      ASSERT_EQ(current_round(search, results)->trials, expected);  // until all of them are there
      results.push_back({trial, round->epochs, mrr(trial), 1, 1.0, ""});
    }
    std::shuffle(results.begin(), results.end(), std::mt19937(1));  // in any order
  }
  EXPECT_FALSE(current_round(search, results));
  const std::vector<Result> best = standing(results);
  ASSERT_EQ(best.size(), 10U);
  EXPECT_EQ(best[0].trial, 7U);
  EXPECT_EQ(best[0].epochs, 27U);
  EXPECT_EQ(best[1].trial, 4U);  // .18 after 9 epochs, before 1 with .17
  EXPECT_EQ(best[3].epochs, 3U);
}

TEST_F(SearchFile, TrialsThatFailGoNoFurther) {
  const Search search = read("trials = 3\neta = 2\nfirst_epochs = 9", "model.dim = [8, 16]");
  std::vector<Result> results = {{0, 9, 0, 0, 0, "status 69"}, {1, 9, 0.2, 9, 1, ""}, {2, 9, 0, 0, 0, "status 69"}};
  EXPECT_EQ(current_round(search, results)->trials, (std::vector<std::size_t>{1}));
  EXPECT_EQ(standing(results).front().trial, 1U);
  results[1].failure = "status 70";
  EXPECT_FALSE(current_round(search, results));
}

TEST_F(SearchFile, MistakesAreNamed) {
  const auto refused = [&](const std::string& search, const std::string& space,
                           std::initializer_list<std::string_view> says) {
    test::expect_error(ExitStatus::kUsage, says, [&] { (void)read(search, space); });
  };
  refused("", "", {"[space]", "names no keys"});
  refused("", "model.dmi = [8]", {"model.dmi", "model.dim"});
  refused("", "model.dim = 8", {"search.toml:6", "'model.dim' needs a list"});
  refused("", "model.dim = []", {"'model.dim' needs a list"});
  refused("", "model.dim = { from = 8 }", {"'model.dim' needs a list of values, or 'from' and 'to'"});
  refused("", "optimiser.learning_rate = { from = 1, to = 0.5 }", {"'from' must be below 'to'"});
  refused("", "optimiser.learning_rate = { from = 0, to = 0.5, log = true }", {"above 0"});
  refused("", "optimiser.learning_rate = { from = \"a\", to = 0.5 }", {"must be a number"});
  refused("method = \"grid\"", "optimiser.learning_rate = { from = 0.1, to = 0.5 }",
          {"needs lists", "optimiser.learning_rate"});
  refused("method = \"gird\"", "model.dim = [8]", {"gird", "grid"});
  refused("trails = 3", "model.dim = [8]", {"trails", "search.trials"});
  refused("", "train.epochs = [1, 2]", {"'train.epochs' is no key that a search can try"});
}

TEST_F(SearchFile, ResultsSurviveALineThatWasCutOff) {
  const ResultLog log(folder_.path());
  EXPECT_TRUE(log.read().empty());
  log.append({1, 3, 0.25, 2, 1.5, ""});
  write("results.jsonl", [&] {
    std::ifstream in(folder_.path() / "results.jsonl");
    return std::string(std::istreambuf_iterator<char>(in), {}) + "{\"trial\": 2, \"epo";
  }());
  EXPECT_EQ(log.read().size(), 1U);
  log.append({2, 3, 0, 0, 0, "status 69: \xff"});
  log.append({2, 3, 0.5, 1, 1, ""});  // of a trial and round the first counts
  const std::vector<Result> results = log.read();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].mrr, 0.25);
  EXPECT_FALSE(results[1].failure.empty());
  write("results.jsonl", "{}\n");
  test::expect_error(ExitStatus::kBadData, {"results.jsonl:1"}, [&] { (void)log.read(); });
}

}  // namespace
}  // namespace tessera::tuning
