// The connectors that app authors copy stand where no node_modules are; what they import is found here.
import { register } from 'node:module';

const HOOK = `
export function resolve(specifier, context, next) {
  const isPackage = !specifier.startsWith('.') && !specifier.startsWith('node:') && !specifier.startsWith('file:');
  const isConnectors = context.parentURL?.includes('/mobile_api/compat/connectors/');
  return next(specifier, isPackage && isConnectors ? { ...context, parentURL: HERE } : context);
}`;

register('data:text/javascript,' + encodeURIComponent(HOOK.replace('HERE', JSON.stringify(import.meta.url))));

/** Return one of the files that are published for app authors, as it is. */
export const connector = (name) =>
  import(new URL(`../../mobile_api/compat/connectors/${name}`, import.meta.url).href);
