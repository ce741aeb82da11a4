// text.js - numbers for people, as the rest of the page writes them.

const $ = (id) => document.getElementById(id);
const commas = (n) => Math.round(n).toLocaleString('en-US');

function bytesText(n) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0, exact = true, value = n;
  for (; value >= 1024 && unit < 4; ++unit) {
    exact = exact && value % 1024 === 0;
    value /= 1024;
  }
  return (exact ? value : value.toFixed(1)) + ' ' + units[unit];
}

function durationText(ns) {
  if (ns >= 1e9) return (ns / 1e9).toFixed(3) + ' s';
  if (ns >= 1e6) return (ns / 1e6).toFixed(1) + ' ms';
  if (ns >= 1e3) return (ns / 1e3).toFixed(1) + ' us';
  return Math.round(ns) + ' ns';
}

/** A time with as many digits as steps of `step` ns need. */
function timeText(ns, step) {
  const [unit, size] = ns >= 1e9 ? ['s', 1e9] : ns >= 1e6 ? ['ms', 1e6] : ns >= 1e3 ? ['us', 1e3] : ['ns', 1];
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / size) - 1e-9)));
  return (ns / size).toFixed(size === 1 ? 0 : digits) + ' ' + unit;
}

const hex = (n) => '0x' + n.toString(16);

function element(name, text, className) {
  const e = document.createElement(name);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}
