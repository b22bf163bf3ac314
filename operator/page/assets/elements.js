// What the views are made of. Whatever comes from the operator is put in as text, never as HTML.

export function element(tag, { text = '', ...attributes } = {}, ...children) {
  const out = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) out.setAttribute(name, value);
  out.append(text, ...children);
  return out;
}

export const milliseconds = (value) => (value === null ? '–' : value < 10_000 ? `${value} ms` : `${Math.round(value / 1000)} s`);
