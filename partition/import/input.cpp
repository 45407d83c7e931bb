// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/input.hpp"

#include "core/error.hpp"
#include "partition/import/decoder.hpp"
#include "storage/checksum.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace tessera::partition {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;
constexpr std::size_t kLongestMagic = 8;
using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  const char* meaning;
};
constexpr std::string_view kGzipMagic = "\x1f\x8b"sv;
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd"sv;
constexpr std::array<Magic, 6> kRefused = {
    {{"\xfd"
      "7zXZ"sv,
      "xz data; decompress it into a pipe (xz -dc FILE | tessera import -)"},
     {"BZh"sv, "bzip2 data; decompress it into a pipe (bzip2 -dc FILE | tessera import -)"},
     {"PK\x03\x04"sv, "a zip archive; unpack it first"},
     {"\xff\xfe"sv, "UTF-16 text; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)"},
     {"\xfe\xff"sv, "UTF-16 text; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)"},
     {"\x89HDF"sv, "an HDF5 file, not text"}}};

// zstd also starts with skippable frames, 0x184D2A50 .. 0x184D2A5F.
bool is_zstd(std::string_view head) {
  if (head.starts_with(kZstdMagic)) return true;
  return head.size() >= 4 && (static_cast<unsigned char>(head[0]) & 0xF0U) == 0x50U &&
         head.substr(1, 3) == "\x2a\x4d\x18"sv;
}

// Returns the fault of a path, or an empty string.
std::string complaint(const std::string& path, struct stat& status) {
  if (::stat(path.c_str(), &status) != 0) return std::strerror(errno);
  if (S_ISDIR(status.st_mode)) return "is a folder, not a file";
  if (::access(path.c_str(), R_OK) != 0) return std::strerror(errno);
  return {};
}

}  // namespace

struct Input::State final : RawBytes {
  std::string name;
  int descriptor = -1;
  bool owns_descriptor = false;
  std::string_view memory;
  std::vector<char> block;
  std::string_view pending;  // the raw bytes read ahead to recognise the encoding
  std::unique_ptr<Decoder> decoder;
  const char* encoding = "plain text";
  storage::Hasher hasher;
  std::uint64_t raw_bytes = 0;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() override {
    if (owns_descriptor) ::close(descriptor);
  }

  [[nodiscard]] const std::string& source_name() const override { return name; }

  std::string_view next_block() override {
    if (!pending.empty()) return std::exchange(pending, {});
    return {block.data(), read_raw(block)};
  }

  std::size_t read_raw(std::span<char> out) override {
    if (!pending.empty()) {
      const std::size_t count = pending.copy(out.data(), out.size());
      pending.remove_prefix(count);
      return count;
    }
    const std::size_t count = descriptor >= 0 ? read_descriptor(out) : memory.copy(out.data(), out.size());
    if (descriptor < 0) memory.remove_prefix(count);
    hasher.add(std::as_bytes(out.first(count)));
    raw_bytes += count;
    return count;
  }

  std::size_t read_descriptor(std::span<char> out) const {
    for (;;) {
      const ssize_t count = ::read(descriptor, out.data(), out.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) fail(ExitStatus::kIo, "{}: reading failed: {}", name, std::strerror(errno));
    }
  }

  // Reads the first block (all of it: a pipe gives it in pieces) and picks the decoder.
  void recognise() {
    block.resize(descriptor >= 0 ? kBlockBytes : std::min(kBlockBytes, memory.size() + kLongestMagic));
    std::size_t filled = 0;
    while (filled < kLongestMagic) {
      const std::size_t count = read_raw(std::span(block).subspan(filled));
      if (count == 0) break;
      filled += count;
    }
    pending = {block.data(), filled};
    if (filled == 0) fail(ExitStatus::kBadData, "{}: the file is empty", name);
    for (const Magic& magic : kRefused)
      if (pending.starts_with(magic.bytes)) fail(ExitStatus::kBadData, "{}: this is {}", name, magic.meaning);
    if (pending.starts_with(kGzipMagic)) {
      decoder = make_gzip_decoder();
      encoding = "gzip";
    } else if (is_zstd(pending)) {
      decoder = make_zstd_decoder();
      encoding = "zstd";
    } else {
      decoder = make_plain_decoder();
    }
  }
};

Input::Input(std::unique_ptr<State> state) : state_(std::move(state)) { state_->recognise(); }
Input::~Input() = default;
Input::Input(Input&& other) noexcept = default;
Input& Input::operator=(Input&& other) noexcept = default;

Input Input::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->name = path == "-" ? "standard input" : path;
  if (path == "-") {
    state->descriptor = STDIN_FILENO;
    return Input(std::move(state));
  }
  check_input(path);
  state->descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (state->descriptor < 0) fail(ExitStatus::kMissingInput, "{}: {}", path, std::strerror(errno));
  state->owns_descriptor = true;
  ::posix_fadvise(state->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  return Input(std::move(state));
}

Input Input::from_memory(std::string name, std::string_view bytes) {
  auto state = std::make_unique<State>();
  state->name = std::move(name);
  state->memory = bytes;
  return Input(std::move(state));
}

std::size_t Input::read(std::span<char> out) { return state_->decoder->read(*state_, out); }
const std::string& Input::name() const { return state_->name; }
const char* Input::encoding() const { return state_->encoding; }
std::uint64_t Input::raw_bytes() const { return state_->raw_bytes; }
std::string Input::checksum() const { return state_->hasher.digest().hex(); }

std::uint64_t check_input(const std::string& path) {
  if (path == "-") return 0;
  struct stat status {};
  const std::string wrong = complaint(path, status);
  if (!wrong.empty()) fail(ExitStatus::kMissingInput, "{}: {}", path, wrong);
  return S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace tessera::partition
