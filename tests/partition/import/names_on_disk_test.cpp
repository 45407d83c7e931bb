// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Entity names that do not fit the memory: the same graph as with all names in memory.
#include "attributes/table.hpp"
#include "graph/graph_reader.hpp"
#include "import_fixture.hpp"
#include "partition/import/import.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <random>

namespace tessera::partition {
namespace {

using Strings = std::vector<std::string>;
using test::expect_error;
using test::TempFolder;

std::string text_of(const Strings& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

ImportOptions train_on(Strings paths) {
  ImportOptions options;
  options.train = std::move(paths);
  return options;
}

// Imports with names in memory and, in as many runs as there are batches, on disk.
class NamesOnDisk : public ::testing::Test {
 protected:
  std::string imported(ImportOptions options, std::uint64_t name_bytes, const std::string& name) {
    options.name_memory_bytes = name_bytes;
    options.threads = name_bytes == 1 ? 3 : 1;
    const test::LogCapture log;
    import_graph(options, folder_.path() / name);
    EXPECT_EQ(log.holds("they are sorted on disk"), name_bytes < kPlenty);
    return content(name);
  }
  // Digests of all datasets, values and counts: the file also has the time at which it was made.
  [[nodiscard]] std::string content(const std::string& name) const {
    const graph::GraphReader reader(folder_.path() / name);
    std::string all;
    const auto add = [&](const std::string& group, const Strings& datasets) {
      for (const std::string& dataset : datasets) all += reader.file().digest(group + "/" + dataset) + "\n";
    };
    for (const char* names : {"/entities/names", "/relations/names"})
      add(names, {"bytes", "page_offsets", "symbols", "separators", "separator_offsets"});
    for (const char* split : {"train", "valid", "test"})
      if (reader.file().integer(fmt::format("/splits/{}", split), "triples") > 0)
        add(fmt::format("/splits/{}/000000", split), {"relation", "first_head", "offset", "chunks"});
    for (const char* count : {"duplicates", "unseen_entities", "unseen_relations", "attribute_duplicates",
                              "attributes_dropped", "triples_read"})
      all += fmt::format("{} {}\n", count, reader.file().integer("/counts", count));
    if (!attributes::Table::is_in(reader.file())) return all;
    const attributes::Table table(reader.file(), reader.entity_count());
    for (std::size_t k = 0; k < table.schema().size(); ++k)
      table.column(k).for_each([&](std::uint64_t entity, std::uint64_t /*value*/, std::string_view text) {
        all += fmt::format("{} {} {}\n", k, entity, text);
      });
    return all;
  }
  void expect_same(const ImportOptions& options) {
    const std::string in_memory = imported(options, kPlenty, "memory.kg");
    EXPECT_TRUE(imported(options, 1, "runs.kg") == in_memory);
    EXPECT_TRUE(imported(options, 5 << 20U, "few.kg") == in_memory);
    for (const char* made : {"memory.kg", "runs.kg", "few.kg"}) std::filesystem::remove_all(folder_.path() / made);
  }
  [[nodiscard]] Strings files() const {
    Strings names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  static constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40U;
  const TempFolder folder_;
};

TEST_F(NamesOnDisk, GiveTheSameGraph) {
  std::mt19937_64 random(4);
  Strings lines;
  for (int i = 0; i < 60'000; ++i)
    lines.push_back(
        fmt::format("{}\tr{}\tentity with a long name {}\n", random() % 40'000, random() % 9, random() % 50'000));
  ImportOptions options;
  options.inputs = {folder_.write("graph.tsv", text_of(lines))};
  std::string values;
  for (int i = 0; i < 5000; ++i) values += fmt::format("{}\tsize\t{}\n", random() % 60'000, random() % 100);
  options.attributes = {folder_.write("values.tsv", values)};
  expect_same(options);
  options.keep_isolated = true;
  expect_same(options);
}

TEST_F(NamesOnDisk, GiveTheSameSplitsAndCounts) {
  const auto part = [&](const char* name, std::uint64_t seed, int lines, const std::string& more) {
    std::mt19937_64 random(seed);
    std::string text = more;
    for (int i = 0; i < lines; ++i)
      text += fmt::format("{}\tr{}\t{}\n", random() % 60'000, random() % 5, random() % 60'000);
    return folder_.write(name, text);
  };
  ImportOptions options = train_on({part("train", 1, 90'000, "h\tr0\tt\n")});
  options.valid = {part("valid", 2, 3000, "h\tr0\tnew\n")};
  options.test = {part("test", 3, 3000, "other\ts\th\n")};
  options.allow_unseen = true;
  expect_same(options);
  options.allow_unseen = false;
  options.name_memory_bytes = 1;
  expect_error(ExitStatus::kBadData, {" lines of valid and test have ", " entities and 1 relations", "entity '"},
               [&] { import_graph(options, folder_.path() / "refused.kg"); });
  EXPECT_EQ(files(), (Strings{"test", "train", "valid"}));
}

// No file may grow beyond a limit while this lives: what a full disk looks like.
class FullDisk {
 public:
  explicit FullDisk(rlim_t most_bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{most_bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(NamesOnDisk, LeaveNothingOnAFullDisk) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += fmt::format("entity {}\tr\tother {}\n", i, i);
  ImportOptions options = train_on({folder_.write("graph.tsv", text)});
  options.name_memory_bytes = 1;
  for (const rlim_t most : {100'000U, 900'000U, 1'200'000U}) {
    const FullDisk full(most);
    expect_error(ExitStatus::kIo, {folder_.path().string(), "bytes"},
                 [&] { import_graph(options, folder_.path() / "out.kg"); });
    EXPECT_EQ(files(), Strings{"graph.tsv"});
  }
}

TEST_F(NamesOnDisk, AreChosenByTheMemory) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += fmt::format("some entity {}\tr\tanother entity {}\n", i, 7 * i);
  ImportOptions options = train_on({folder_.write("graph.tsv", text)});
  for (const auto& [memory, on_disk] : {std::pair("64MiB", true), {"2GiB", false}}) {
    options.memory = memory;
    const test::LogCapture log;
    import_graph(options, folder_.path() / memory);
    EXPECT_EQ(log.holds("they are sorted on disk"), on_disk);
  }
  EXPECT_TRUE(content("64MiB") == content("2GiB"));
  options.memory = "0";
  expect_error(ExitStatus::kUsage, {"--memory", "'0'"}, [&] { import_graph(options, folder_.path() / "none.kg"); });
}

}  // namespace
}  // namespace tessera::partition
