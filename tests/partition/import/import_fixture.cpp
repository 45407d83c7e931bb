// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "import_fixture.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace tessera::partition::test {

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tessera-test-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::write(const std::string& name, std::string_view content) const {
  std::ofstream(path_ / name, std::ios::binary) << content;
  return (path_ / name).string();
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  EXPECT_EQ(ZSTD_isError(size), 0U);
  out.resize(size);
  return out;
}

void RecordingSink::triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t) {
  triples.push_back(fmt::format("{}|{}|{}", head, relation, tail));
}

void RecordingSink::attribute(std::string_view entity, std::string_view attribute, std::string_view value,
                              std::string_view datatype, std::uint64_t) {
  attributes.push_back(fmt::format("{}|{}|{}|{}", entity, attribute, value, datatype));
}

void RecordingSink::bad_line(std::uint64_t line, const std::string& reason) {
  bad.push_back(fmt::format("{}: {}", line, reason));
}

LogCapture::LogCapture() {
  log::set_sink([this](log::Level, std::string_view message) { messages_.emplace_back(message); });
}

LogCapture::~LogCapture() { log::set_sink({}); }

bool LogCapture::holds(std::string_view part) const {
  return std::any_of(messages_.begin(), messages_.end(),
                     [&](const std::string& message) { return message.find(part) != std::string::npos; });
}

void expect_error(ExitStatus status, const std::vector<std::string>& parts, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(status)) << error.what();
    for (const std::string& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' is not in: " << error.what();
  }
}

}  // namespace tessera::partition::test
