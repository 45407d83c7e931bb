// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/job.hpp"

#include "core/error.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {
namespace {

constexpr const char* kLeast = "[data]\ngraph = \"g.kg\"\n[run]\nfolder = \"runs/a\"\n";  // four lines

class JobFile : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& content) const {
    std::filesystem::path file = temporary_.path() / "job.toml";
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  Job read(const std::string& content, const std::vector<std::string>& overrides = {}) const {
    return read_job(write(content), overrides);
  }
  std::string refuse(const std::string& content, std::initializer_list<std::string_view> words,
                     const std::vector<std::string>& overrides = {}) const {
    SCOPED_TRACE(content + (overrides.empty() ? "" : " with " + overrides.front()));
    return test::expect_error(ExitStatus::kUsage, words, [&] { read(content, overrides); });
  }
  std::string refuse_key(const std::string& table, const std::string& line,
                         std::initializer_list<std::string_view> words) const {
    return refuse(std::string(kLeast) + "[" + table + "]\n" + line + "\n", words);
  }

 private:
  test::TemporaryFolder temporary_;
};

TEST_F(JobFile, LeastOneHasTheDefaults) {
  const Job job = read(kLeast);
  EXPECT_EQ(job.data.graph, "g.kg");
  EXPECT_EQ(job.run.folder, "runs/a");
  EXPECT_EQ(to_toml(job), to_toml([] {
              Job defaults;
              defaults.data.graph = "g.kg";
              defaults.run.folder = "runs/a";
              return defaults;
            }()));
}

TEST_F(JobFile, UnknownKeysNameTheNearestOne) {
  refuse_key("model", "dimm = 4", {"job.toml:6", "'model.dimm'", "did you mean 'model.dim'?"});
  refuse_key("modle", "dim = 4", {"'modle.dim'", "did you mean 'model.dim'?"});
  refuse_key("optimiser", "learningrate = 1.0", {"'optimiser.learningrate'", "'optimiser.learning_rate'"});
  refuse_key("somewhere", "else = 1", {"job.toml:6", "unknown key 'somewhere.else'", "--help"});
  refuse("epochs = 3\n" + std::string(kLeast), {"job.toml:1", "unknown key 'epochs'"});
  refuse_key("model", "dim.size = 4", {"unknown key 'model.dim.size'"});
  refuse_key("[model]", "dim = 4", {"unknown key 'model'"});
}

TEST_F(JobFile, WrongTypes) {
  refuse_key("model", "dim = \"128\"", {"job.toml:6", "'model.dim'", "an integer", "a string"});
  refuse_key("model", "dim = 128.0", {"'model.dim'", "an integer", "a real number"});
  refuse_key("model", "dim = true", {"'model.dim'", "an integer", "true or false"});
  refuse_key("model", "dim = [128]", {"'model.dim'", "an integer"});
  refuse_key("model", "name = 3", {"'model.name'", "a string", "an integer"});
  refuse_key("model", "init_scale = \"small\"", {"'model.init_scale'", "a number", "a string"});
  refuse_key("negatives", "unbiased = 1", {"'negatives.unbiased'", "true or false", "an integer"});
  refuse_key("validate", "every = 2024-01-01", {"'validate.every'", "an integer"});
}

TEST_F(JobFile, IntegersAreFineWhereRealsAreAskedFor) {
  EXPECT_EQ(read(std::string(kLeast) + "[optimiser]\nlearning_rate = 1\n").optimiser.learning_rate, 1.0);
}

TEST_F(JobFile, OutOfRange) {
  refuse_key("model", "dim = -2", {"job.toml:6", "'model.dim'", "between 1 and 65536", "not -2"});
  refuse_key("model", "dim = 0", {"between 1 and 65536", "not 0"});
  refuse_key("model", "dim = 65538", {"between 1 and 65536", "not 65538"});
  refuse_key("dropout", "entity = 1.0", {"'dropout.entity'", "between 0 and 0.99"});
  refuse_key("dropout", "relation = -0.1", {"'dropout.relation'", "not -0.1"});
  refuse_key("train", "epochs = -1", {"'train.epochs'", "not -1"});
  refuse_key("data", "parts = 4", {"job.toml:5", "'data'"});  // a second [data]
  refuse("[data]\nparts = 0\n", {"job.toml:2", "'data.parts'", "between 1 and 1048576", "not 0"});
  refuse_key("negatives", "count = 0", {"'negatives.count'", "not 0"});
  refuse_key("optimiser", "learning_rate = -0.5", {"'optimiser.learning_rate'", "not -0.5"});
  refuse_key("optimiser", "learning_rate = 0", {"'optimiser.learning_rate'", "above 0", "not 0"});
  refuse_key("optimiser", "epsilon = 0.0", {"'optimiser.epsilon'", "above 0 and at most 1", "not 0"});
  refuse_key("optimiser", "learning_rate = nan", {"'optimiser.learning_rate'", "nan"});
  refuse_key("optimiser", "learning_rate = inf", {"'optimiser.learning_rate'", "inf"});
  refuse_key("optimiser", "beta1 = 1.0", {"'optimiser.beta1'", "between 0 and 0.999999", "not 1"});
  refuse_key("optimiser", "beta2 = -0.1", {"'optimiser.beta2'", "not -0.1"});
  refuse_key("schedule", "factor = 1.5", {"'schedule.factor'", "and 1", "not 1.5"});
  refuse_key("schedule", "factor = 0", {"'schedule.factor'", "not 0"});
  refuse_key("schedule", "patience = 0", {"'schedule.patience'", "not 0"});
  refuse_key("schedule", "warmup_epochs = -1", {"'schedule.warmup_epochs'", "not -1"});
  refuse_key("average", "decay = 1", {"'average.decay'", "between 0 and 0.999999", "not 1"});
  refuse_key("exchange", "staleness = 2", {"'exchange.staleness'", "between 0 and 1", "not 2"});
  refuse_key("validate", "max_triples = -3", {"'validate.max_triples'", "at least 0", "not -3"});
  refuse_key("expect", "mrr = 1.5", {"'expect.mrr'", "between 0 and 1", "not 1.5"});
  refuse_key("expect", "tolerance = -0.1", {"'expect.tolerance'", "between 0 and 1", "not -0.1"});
}

TEST_F(JobFile, WordsOutsideTheirList) {
  refuse_key("model", "name = \"complx\"", {"'model.name'", "\"complx\"", "did you mean \"complex\"?", "distmult"});
  refuse_key("model", "init = \"xavier\"", {"'model.init'", "normal, uniform, xavier_normal, xavier_uniform"});
  refuse_key("optimiser", "name = \"adamw\"", {"'optimiser.name'", "did you mean \"adam\"?", "rowwise_adagrad", "sgd"});
  refuse_key("schedule", "name = \"cosine\"", {"'schedule.name'", "constant, warmup, plateau"});
  refuse_key("loss", "name = \"hinge of doom\"", {"'loss.name'", "it is one of: softmax"});
  refuse_key("expect", "split = \"\"", {"'expect.split'", "valid, test"});
}

TEST_F(JobFile, SyntaxErrorsHaveALine) {
  refuse(std::string(kLeast) + "[model]\ndim = = 3\n", {"job.toml:6:"});
  refuse("[data\ngraph = 1\n", {"job.toml:1:"});
  refuse("[data]\ngraph = \"open\n", {"job.toml:2:"});
  refuse("[data]\ngraph = \"a\"\ngraph = \"b\"\n", {"job.toml:3:"});
  refuse("[data]\ngraph = \"\xff\xfe\"\n", {"job.toml:2:"});
  refuse(std::string("[data]\n\0\n", 9), {"job.toml:2:"});
}

TEST_F(JobFile, WhatMustBeThere) {
  refuse("", {"'data.graph' is missing"});
  refuse("[data]\ngraph = \"g\"\n", {"'run.folder' is missing"});
  refuse("[run]\nfolder = \"g\"\n", {"'data.graph' is missing"});
}

TEST_F(JobFile, AMissingFileIsMissingInput) {
  test::expect_error(ExitStatus::kMissingInput, {"/nowhere/job.toml", "cannot be opened"},
                     [] { read_job("/nowhere/job.toml"); });
}

TEST_F(JobFile, AFolderIsNoJobFile) {
  const std::filesystem::path folder = write(kLeast).parent_path();
  test::expect_error(ExitStatus::kMissingInput, {folder.string()}, [&] { read_job(folder); });
}

TEST_F(JobFile, APlateauNeedsValidations) {
  const std::string plateau = std::string(kLeast) + "[schedule]\nname = \"plateau\"\n";
  EXPECT_EQ(read(plateau).schedule.name, "plateau");
  refuse(plateau + "[validate]\nevery = 0\n", {"'schedule.name'", "plateau", "'validate.every'"});
}

TEST_F(JobFile, MemoryMustBeASize) {
  refuse(std::string(kLeast) + "memory = \"much\"\n", {"run.memory", "'much' is not a size"});
  EXPECT_EQ(read(std::string(kLeast) + "memory = \"3 GiB\"\n").run.memory, "3 GiB");
}

TEST_F(JobFile, LargeSeedsAreFine) {
  EXPECT_EQ(read(std::string(kLeast) + "seed = 9223372036854775807\n").run.seed, 9223372036854775807U);
  refuse(std::string(kLeast) + "seed = -1\n", {"'run.seed'", "at least 0", "not -1"});
  refuse(std::string(kLeast) + "seed = 9223372036854775808\n", {"job.toml:5:"});
}

TEST_F(JobFile, OverridesWin) {
  const Job job =
      read(kLeast, {"model.dim=64", "model.name=distmult", "optimiser.learning_rate=1e-2", "negatives.unbiased=false",
                    "run.folder=runs/b", "data.graph=\"quoted.kg\"", "run.memory=4GiB", "model.dim=32"});
  EXPECT_EQ(job.model.dim, 32U) << "the last one counts";
  EXPECT_EQ(job.model.name, "distmult");
  EXPECT_EQ(job.optimiser.learning_rate, 1e-2);
  EXPECT_FALSE(job.negatives.unbiased);
  EXPECT_EQ(job.run.folder, "runs/b");
  EXPECT_EQ(job.data.graph, "quoted.kg");
  EXPECT_EQ(job.run.memory, "4GiB");
}

TEST_F(JobFile, AnOverrideCanGiveWhatTheFileLacks) {
  EXPECT_EQ(read("", {"data.graph=a=b", "run.folder=with space"}).data.graph, "a=b");
}

TEST_F(JobFile, BadOverrides) {
  refuse(kLeast, {"'model.dim'", "is not an override", "key=value"}, {"model.dim"});
  refuse(kLeast, {"'=3'", "is not an override"}, {"=3"});
  refuse(kLeast, {"command line 'model.dmi=3'", "unknown key 'model.dmi'", "'model.dim'"}, {"model.dmi=3"});
  refuse(kLeast, {"command line 'model.dim=big'", "an integer", "a string"}, {"model.dim=big"});
  refuse(kLeast, {"command line 'model.dim='", "an integer"}, {"model.dim="});
  refuse(kLeast, {"command line 'model.dim=-4'", "between 1 and 65536", "not -4"}, {"model.dim=-4"});
  refuse(kLeast, {"'data.graph' is missing"}, {"data.graph="});
}

// What follows a line break in an override must not vanish without a word.
TEST_F(JobFile, AnOverrideIsOneValue) { refuse(kLeast, {"model.dim"}, {"model.dim=32\nother=1"}); }

Job unusual_job() {
  Job job;
  job.data = {"a \"quoted\" \\ path/with 'both'\tand ünïcode.kg", 3};
  job.run = {"runs/line\nbreak\x01", 9223372036854775807U, 5, "1.5 GiB", 7, "cuda", "2,1", "3 GiB", "chain"};
  job.model = {"transe_l1", 31, "uniform", 0.1 + 0.2};
  job.train = {1, 67108864};
  job.negatives = {4194304, "part", false};
  job.regulariser = {"n3", 1e-300};
  job.optimiser = {"rowwise_adagrad", 1.0 / 3, 1e-12, 2.0 / 3, 0.12345678901234567};
  job.schedule = {"plateau", 0.1, 0.7, 999999};
  job.average.decay = 0.87654321;
  job.exchange.staleness = 1;
  job.validate = {1, 1000000, 999999999999999999U};
  job.expect = {"valid", 0.123456789012345678, 0.01};
  return job;
}

TEST_F(JobFile, TomlRoundTrip) {
  for (const Job& job : {unusual_job(), read(kLeast)}) {
    const std::string toml = to_toml(job);
    const Job again = read(toml);
    EXPECT_EQ(to_toml(again), toml);
    EXPECT_EQ(again.data.graph, job.data.graph);
    EXPECT_EQ(again.run.folder, job.run.folder);
    EXPECT_EQ(again.run.seed, job.run.seed);
    EXPECT_EQ(again.run.memory, job.run.memory);
    EXPECT_EQ(again.model.init_scale, job.model.init_scale);
    EXPECT_EQ(again.regulariser.weight, job.regulariser.weight);
    EXPECT_EQ(again.optimiser.learning_rate, job.optimiser.learning_rate);
    EXPECT_EQ(again.negatives.unbiased, job.negatives.unbiased);
    EXPECT_EQ(again.validate.max_triples, job.validate.max_triples);
    EXPECT_EQ(again.expect.mrr, job.expect.mrr);
  }
}

TEST_F(JobFile, WhatMakesAnotherRun) {
  const Job before = read(kLeast);
  const auto change = [&](const std::string& override_text) {
    return changed_result(before, read(kLeast, {override_text}));
  };
  for (const char* harmless :
       {"data.graph=h.kg", "run.folder=b", "run.threads=3", "run.memory=1GiB", "expect.mrr=0.5",
        "run.watchdog_seconds=9", "run.device_memory=1GiB", "train.epochs=7", "validate.every=1", "validate.patience=2",
        "exchange.scores=keep", "exchange.transport=host", "run.placement=equal"})
    EXPECT_FALSE(change(harmless)) << harmless;
  for (const char* harmful :
       {"data.parts=4", "run.seed=2", "model.dim=2", "train.batch_size=8", "negatives.count=4",
        "negatives.unbiased=false", "regulariser.name=l2", "optimiser.epsilon=0.5", "run.device=cuda",
        "run.products=chain", "run.rows=bf16", "memory.hot_rows=0.5", "optimiser.state=log8"})
    EXPECT_TRUE(change(harmful)) << harmful;
  const Job plateau = read(kLeast, {"schedule.name=plateau"});
  EXPECT_FALSE(changed_result(plateau, read(kLeast, {"schedule.name=plateau", "validate.patience=2"})));
  EXPECT_TRUE(changed_result(plateau, read(kLeast, {"schedule.name=plateau", "validate.every=1"})));
  const auto name = change("model.name=distmult");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->key, "model.name");
  EXPECT_NE(name->before.find("complex"), std::string::npos);
  EXPECT_NE(name->now.find("distmult"), std::string::npos);
}

// A description that reads, writes and lists the same keys: each key of the written job is known when read alone.
TEST_F(JobFile, EveryWrittenKeyCanBeOverridden) {
  ConfigValues values = read_toml_file(write(to_toml(unusual_job())));
  EXPECT_GE(values.size(), 29U);
  for (const auto& [key, value] : values) {
    Job job;
    const ConfigValues one = {{key, value}};
    ConfigReader reader(one);
    visit(job, reader);
    EXPECT_NO_THROW(reader.reject_unknown()) << key;
  }
}

}  // namespace
}  // namespace tessera
