// sim/core/tape.cpp - draws from a seed (SplitMix64 per draw id) or from a recording.
#include "sim/core/tape.h"

#include <cassert>
#include <charconv>

#include <fmt/format.h>

namespace dartboard::sim {
namespace {

/// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, full period, good enough to decide and cheap to split.
uint64_t next(uint64_t& state) {
  state += 0x9e37'79b9'7f4a'7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
  z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
  return z ^ (z >> 31);
}

/// Maps a 64-bit draw to [0, bound) by multiplication; the bias is below 2^-64 * bound and the same everywhere.
uint64_t scale(uint64_t raw, uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(raw) * bound) >> 64);
}

}  // namespace

void Tape::start_seeded(uint64_t seed) {
  seed_ = seed;
  replaying_ = false;
  diverged_ = false;
  position_ = 0;
  source_.clear();
  recorded_.clear();
  for (size_t i = 0; i < std::size(streams_); ++i) {
    uint64_t mix = seed ^ (0xd1b5'4a32'd192'ed03 * (i + 1));
    streams_[i] = next(mix);
  }
}

void Tape::start_replay(std::vector<Draw> draws) {
  start_seeded(0);
  replaying_ = true;
  source_ = std::move(draws);
}

uint64_t Tape::draw(DrawId id, uint64_t bound) {
  assert(bound != 0);
  assert(static_cast<size_t>(id) < std::size(streams_));
  uint64_t value = 0;
  if (replaying_) {
    const bool matches = position_ < source_.size() && source_[position_].id == id &&
                         source_[position_].bound == bound && source_[position_].value < bound;
    if (matches) {
      value = source_[position_++].value;
    } else {
      diverged_ = true;
    }
  } else {
    value = scale(next(streams_[static_cast<size_t>(id)]), bound);
  }
  if (recording_) recorded_.push_back({id, bound, value});
  return value;
}

void Tape::inspect(InspectNode& node) const {
  node.child("source", replaying_ ? "recording" : fmt::format("seed {:#x}", seed_));
  node.child("draws", fmt::format("{}", recorded_.size()));
  node.child("diverged", diverged_ ? "yes" : "no");
}

std::string to_text(const std::vector<Draw>& draws) {
  std::string text;
  for (const Draw& d : draws) {
    text += fmt::format("{} {} {}\n", static_cast<unsigned>(d.id), d.bound, d.value);
  }
  return text;
}

Result<std::vector<Draw>> draws_from_text(const std::string& text) {
  std::vector<Draw> draws;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    ++line_number;
    const char* p = text.data() + begin;
    const char* const stop = text.data() + end;
    begin = end + 1;
    if (p == stop) continue;
    uint64_t numbers[3] = {};
    bool good = true;
    for (int i = 0; i < 3 && good; ++i) {
      while (p != stop && *p == ' ') ++p;
      const auto [rest, error] = std::from_chars(p, stop, numbers[i]);
      good = error == std::errc() && rest != p;
      p = rest;
    }
    if (!good || p != stop || numbers[0] == 0 || numbers[0] >= 16 || numbers[1] == 0 || numbers[2] >= numbers[1]) {
      return fail(ErrorName::kFileCorrupt,
                  fmt::format("tape line {}: expected 'id bound value' with 1 <= id <= 15 and value < bound",
                              line_number));
    }
    draws.push_back({static_cast<DrawId>(numbers[0]), numbers[1], numbers[2]});
  }
  return draws;
}

}  // namespace dartboard::sim
